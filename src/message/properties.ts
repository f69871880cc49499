/**
 * The canonical, protocol-neutral properties of a message, and the forms that properties are kept in.
 *
 * A message keeps its properties in the encoding it came in, with the tag of its form beside them. They are translated through the
 * canonical form only when the message leaves through another protocol, or when something inside (an HTTP view, a route) reads them.
 */
import { assert } from '../base/assert.ts'
import { WaybillError } from '../base/errors.ts'
import type { MessageFacets } from './facets.ts'
import type { HeaderValue } from './header-value.ts'

/** Properties of a message as every protocol can express them in part. */
export interface MessageProperties {
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers: ReadonlyMap<string, HeaderValue>
  /** Survives a restart. */
  readonly durable: boolean
  /** 0 to 255. */
  readonly priority?: number
  readonly correlationId?: string
  readonly replyTo?: string
  /** Time to live in milliseconds. */
  readonly expirationMs?: number
  readonly messageId?: string
  /** When the sender made the message, in milliseconds since 1970. */
  readonly timestampMs?: number
  readonly type?: string
  readonly userId?: string
  readonly appId?: string
}

/** A change to encoded properties. What it does not name stays byte-identical. */
export interface PropertiesPatch {
  readonly removeExpiration?: boolean
  readonly replyTo?: string
  /** Headers to set, or (undefined) to remove. A changed header keeps its place; a new one is appended. */
  readonly headers?: ReadonlyMap<string, HeaderValue | undefined>
}

/** One encoding of properties. Implementations are stateless. */
export interface MessageForm {
  /** Stored with every message: 1 to 255, never used again for anything else. */
  readonly tag: number
  readonly name: string
  /**
   * Checks `bytes[start, end)` and fills `facets`, in one pass without allocating.
   * @throws SYNTAX_ERROR when the bytes are not valid properties; `facets` is then undefined
   */
  scan(bytes: Uint8Array, start: number, end: number, facets: MessageFacets): void
  /** Offset of the value of a header in `bytes` (scanned before), or -1. Allocation-free; `name` is the UTF-8 of the name. */
  findHeader(bytes: Uint8Array, facets: MessageFacets, name: Uint8Array): number
  /** The neutral value at an offset that `findHeader` gave. */
  headerValue(bytes: Uint8Array, facets: MessageFacets, offset: number): HeaderValue
  /** @throws SYNTAX_ERROR when the bytes are not valid properties */
  decode(bytes: Uint8Array, start: number, end: number): MessageProperties
  /** The caller owns the result. @throws PRECONDITION_FAILED when a value does not fit this encoding */
  encode(properties: MessageProperties): Buffer
  /** New bytes with the change made; the caller owns them. @throws SYNTAX_ERROR as `scan` */
  patch(bytes: Uint8Array, start: number, end: number, patch: PropertiesPatch): Buffer
}

/** The forms known to a server, by tag. */
export class MessageForms {
  readonly #byTag: (MessageForm | undefined)[] = []

  constructor(forms: readonly MessageForm[]) {
    for (const form of forms) {
      assert(Number.isInteger(form.tag) && form.tag >= 1 && form.tag <= 255, 'a form tag fits a byte and is not 0')
      assert(this.#byTag[form.tag] === undefined, 'each form has its own tag')
      this.#byTag[form.tag] = form
    }
  }

  /** The form with that tag. @throws STORAGE_VERSION when there is none: a later version stored the message */
  of(tag: number): MessageForm {
    const form = this.#byTag[tag]
    if (form === undefined) throw new WaybillError('STORAGE_VERSION', `a message has properties in the unknown form ${tag}`)
    return form
  }
}
