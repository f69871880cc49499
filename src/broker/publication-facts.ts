/**
 * What special queues want to know of a message beyond its bytes: its id (deduplication), its ordering key, single headers.
 * Read from the encoded properties when asked, never on the fast path.
 */
import { MessageFacets } from '../message/facets.ts'
import { type Field, fieldOf } from '../message/field.ts'
import type { MessageForm, MessageForms } from '../message/properties.ts'
import type { HeadersAccess } from './headers-matcher.ts'

/** The bytes of a message's properties and where it goes: a publication, or a stored message. */
export interface EncodedMessage {
  readonly form: number
  readonly properties: Buffer
  readonly propertiesStart: number
  readonly propertiesEnd: number
  readonly routingKey: string
}

/** Reads facts of one message at a time. */
export class PublicationFacts implements HeadersAccess {
  readonly #forms: MessageForms
  readonly #facets = new MessageFacets()
  #message: EncodedMessage | undefined
  #form: MessageForm | undefined

  constructor(forms: MessageForms) {
    this.#forms = forms
  }

  /** The message that is asked about from now on. Nothing is read yet. */
  of(message: EncodedMessage): this {
    this.#message = message
    this.#form = undefined
    return this
  }

  /** The message id, or undefined. */
  get messageId(): string | undefined {
    const { facets, bytes } = this.#scan()
    if (facets.messageIdLength < 0) return undefined
    return bytes.toString('utf8', facets.messageIdOffset, facets.messageIdOffset + facets.messageIdLength)
  }

  /** The value of a header (HeadersAccess). */
  get(name: string): Field | undefined {
    const { facets, bytes, form } = this.#scan()
    const at = form.findHeader(bytes, facets, Buffer.from(name, 'utf8'))
    return at < 0 ? undefined : fieldOf(form.headerValue(bytes, facets, at))
  }

  /**
   * The ordering key as `source` says (see QueueSettings.orderingKey), or undefined when the message has none. A header that holds
   * an array, a table or a decimal is no key: its values have no one text.
   */
  orderingKey(source: string): string | undefined {
    if (source === 'routing-key') return (this.#message as EncodedMessage).routingKey
    if (source === 'correlation-id') {
      const { facets, bytes } = this.#scan()
      if (facets.correlationIdLength < 0) return undefined
      return bytes.toString('utf8', facets.correlationIdOffset, facets.correlationIdOffset + facets.correlationIdLength)
    }
    const value = this.get(source)?.value
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
    return value === undefined || typeof value === 'object' ? undefined : String(value)
  }

  #scan(): { facets: MessageFacets; bytes: Buffer; form: MessageForm } {
    const message = this.#message as EncodedMessage
    if (this.#form === undefined) {
      this.#form = this.#forms.of(message.form)
      this.#form.scan(message.properties, message.propertiesStart, message.propertiesEnd, this.#facets)
    }
    return { facets: this.#facets, bytes: message.properties, form: this.#form }
  }
}
