/**
 * Messages on their way in on one channel: basic.publish, content header, body frames. Hot.
 *
 * Most publishers send the same address again and again: the method is compared with the one before, byte by byte, and when they are equal
 * nothing of it is read. Properties are scanned where they are. A body that lies whole in one frame is handed to the broker where it is;
 * the broker copies it once, into the log. What does not lie in one chunk is copied here: bodies in several frames are gathered in a
 * buffer that grows with what really came.
 *
 *     method -> header -> (body -> ...) -> method
 */
import { WaybillError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { decodeText } from '../../base/text.ts'
import { Publication } from '../../broker/publication.ts'
import type { Session } from '../../broker/session.ts'
import { AMQP_FORM } from '../../message/amqp-form.ts'
import { ABSENT, INVALID, MessageFacets } from '../../message/facets.ts'
import type { HeaderValue } from '../../message/header-value.ts'
import { checkWrite } from './access.ts'
import type { ChannelContext } from './channel-context.ts'
import { CLASS, FRAME, FRAME_HEAD_SIZE_BYTES, METHOD, type MethodId } from './grammar.ts'
import { checkDelay, checkUserId, parseCopyKeys, parseExpiration } from './message-checks.ts'
import { wellFormed } from './methods.ts'
import { ContentHeader, PublishArguments, readContentHeader, readPublish } from './publishing.ts'
import { REPLY_ADDRESS_PREFIX, REPLY_QUEUE } from './reply-addresses.ts'

/** What comes next on the channel. */
export type ContentStage = 'method' | 'header' | 'body'

/** Takes messages for direct reply addresses. */
export interface ReplyPublisher {
  /** The bytes are borrowed until return. */
  publishReply(publication: Publication): void
}

const EMPTY = Buffer.alloc(0)
/** Size of a basic.publish with the longest names. */
const METHOD_SIZE_BYTES_MAX = 4 + 2 + 256 + 256 + 1
/** A gathering buffer up to this size is kept for the next message. */
const KEPT_SIZE_BYTES_MAX = 256 * 1024
const GATHERED_SIZE_BYTES_MIN = 64 * 1024
const REPLY_QUEUE_BYTES = Buffer.from(REPLY_QUEUE, 'latin1')

/** The arguments of every publish are read into this one: a call uses it up before another begins. */
const publishArguments = new PublishArguments()
const contentHeader = new ContentHeader()

/** Takes the messages of one channel. */
export class Publisher {
  stage: ContentStage = 'method'
  /** The method whose content is coming. */
  methodId: MethodId = METHOD.basicPublish

  readonly #channel: ChannelContext
  readonly #session: Session
  readonly #replies: ReplyPublisher
  readonly #publication = new Publication()
  readonly #facets = new MessageFacets()
  /** The method of the message before: its names are those of the publication. */
  #known: Buffer = EMPTY
  #knownLength = 0
  /** The address is new: nobody has asked whether the user may publish to it. */
  #unchecked = true
  #toReplyAddress = false
  /** The message has more than a plain one: its extras are taken away again after it. */
  #special = false
  #bodySizeBytes = 0
  #gathered: Buffer = EMPTY
  #gatheredLength = 0
  #ownProperties: Buffer = EMPTY

  constructor(channel: ChannelContext, session: Session, replies: ReplyPublisher) {
    this.#channel = channel
    this.#session = session
    this.#replies = replies
    this.#publication.form = AMQP_FORM.tag
  }

  /** Takes the method payload `buffer[start, end)` of a basic.publish. Hot. @throws SYNTAX_ERROR */
  begin(buffer: Buffer, start: number, end: number): void {
    this.stage = 'header'
    this.methodId = METHOD.basicPublish
    if (end - start === this.#knownLength) {
      const known = this.#known
      // Backwards: addresses differ at their end first.
      let i = end - start - 1
      while (i >= 4 && known[i] === buffer[start + i]) i--
      if (i < 4) return
    }
    this.#readMethod(buffer, start, end)
  }

  /** A method with content that only a server sends: its content is read and dropped, then the method is refused. */
  beginForeign(methodId: MethodId): void {
    this.stage = 'header'
    this.methodId = methodId
  }

  /** Takes a content header. Hot. @throws WaybillError what closes the channel or the connection */
  header(buffer: Buffer, start: number, end: number): void {
    const header = contentHeader
    readContentHeader(buffer, start, end, header)
    if (header.classId !== CLASS.basic || header.weight !== 0) {
      throw new WaybillError('UNEXPECTED_FRAME', `expected content header for class 60, got one for class ${header.classId} instead`)
    }
    const sizeBytes = header.bodySizeBytes
    if (sizeBytes > this.#channel.host.context.settings.messageSizeBytesMax) throw this.#tooLarge(sizeBytes)
    const publication = this.#publication
    const facets = this.#facets
    AMQP_FORM.scan(buffer, header.propertiesStart, header.propertiesEnd, facets)
    publication.properties = buffer
    publication.propertiesStart = header.propertiesStart
    publication.propertiesEnd = header.propertiesEnd
    publication.persistent = facets.persistent
    publication.priority = facets.priority === ABSENT ? 0 : facets.priority
    publication.expirationMs = facets.expirationMs
    if (hasExtras(facets)) this.#readExtras(buffer)
    this.#bodySizeBytes = sizeBytes
    if (sizeBytes === 0) return this.#complete(EMPTY, 0, 0)
    this.stage = 'body'
    // The properties stay where they are when the body comes in the same chunk: the buffer is then the same at the next call.
    if (!bodyFollows(buffer, end, this.#channel.number, sizeBytes)) this.#keepProperties()
  }

  /** Takes a body frame. Hot. @throws WaybillError what closes the channel or the connection */
  body(buffer: Buffer, start: number, end: number): void {
    const size = end - start
    if (size === this.#bodySizeBytes && this.#gatheredLength === 0) return this.#complete(buffer, start, end)
    if (this.#gatheredLength + size > this.#bodySizeBytes) {
      throw new WaybillError('UNEXPECTED_FRAME', 'expected content body, got non content body frame instead')
    }
    this.#gather(buffer, start, end)
    if (this.#gatheredLength < this.#bodySizeBytes) return
    const body = this.#gathered
    this.#forgetGathered()
    this.#complete(body, 0, this.#bodySizeBytes)
  }

  /** Gives back the buffers that are not in use. */
  trim(): void {
    if (this.stage !== 'method') return
    this.#gathered = EMPTY
    this.#ownProperties = EMPTY
  }

  /** The channel ends: what was gathered is not wanted any more. */
  end(): void {
    this.#forgetGathered()
    this.#gathered = EMPTY
  }

  /** Hot. */
  #complete(body: Buffer, start: number, end: number): void {
    const publication = this.#publication
    this.stage = 'method'
    if (this.methodId !== METHOD.basicPublish) throw new WaybillError('COMMAND_INVALID', 'unimplemented method')
    publication.body = body
    publication.bodyStart = start
    publication.bodyEnd = end
    if (this.#unchecked) this.#check()
    if (this.#toReplyAddress) this.#replies.publishReply(publication)
    else this.#session.publish(publication)
    // A chunk must not be kept alive by a channel that waits for its next message.
    publication.properties = publication.body = EMPTY
    if (this.#special) this.#forgetExtras()
    this.#channel.host.published()
  }

  #readMethod(buffer: Buffer, start: number, end: number): void {
    this.#knownLength = 0
    readPublish(buffer, start, end, publishArguments)
    if (this.#known.length === 0) this.#known = Buffer.allocUnsafeSlow(METHOD_SIZE_BYTES_MAX)
    const known = this.#known
    buffer.copy(known, 0, start, end)
    const { addressStart, addressEnd, exchangeStart, exchangeEnd, routingKeyStart, mandatory, immediate } = publishArguments
    const publication = this.#publication
    publication.address = known
    publication.addressStart = addressStart - start
    publication.addressEnd = addressEnd - start
    publication.exchange = wellFormed(decodeText(known, exchangeStart - start, exchangeEnd - start))
    publication.routingKey = wellFormed(decodeText(known, routingKeyStart - start, addressEnd - start))
    publication.route = undefined
    publication.mandatory = mandatory
    this.#toReplyAddress = publication.exchange === '' && publication.routingKey.startsWith(REPLY_ADDRESS_PREFIX)
    this.#unchecked = true
    if (!immediate) this.#knownLength = end - start
  }

  /** Once per address: the rest of the messages to it pass without a question. */
  #check(): void {
    // An immediate publish is never known, so that each one is refused.
    if (this.#knownLength === 0) throw new WaybillError('NOT_IMPLEMENTED', 'immediate=true')
    checkWrite(this.#channel.host, 'exchange', this.#publication.exchange)
    this.#unchecked = false
  }

  /** Checks and carries out what only some messages have. */
  #readExtras(buffer: Buffer): void {
    const facets = this.#facets
    const publication = this.#publication
    const { host, replyConsumer } = this.#channel
    if (facets.userIdLength !== ABSENT) checkUserId(buffer, facets, host.identity)
    if (facets.expirationMs === INVALID || facets.expirationMs > LIMITS.timeToLiveMsMax) {
      publication.expirationMs = parseExpiration(buffer, facets)
    }
    const carbonCopies = facets.ccOffset === ABSENT ? undefined : parseCopyKeys(buffer, facets, 'CC', facets.ccOffset)
    const blindCopies = facets.bccOffset === ABSENT ? undefined : parseCopyKeys(buffer, facets, 'BCC', facets.bccOffset)
    if (carbonCopies !== undefined || blindCopies !== undefined) {
      this.#special = true
      publication.moreKeys = [...(carbonCopies ?? []), ...(blindCopies ?? [])]
      publication.route = undefined
    }
    const headers = new Map<string, HeaderValue | undefined>()
    if (blindCopies !== undefined) headers.set('BCC', undefined)
    if (facets.delayMs > 0) this.#delay(facets.delayMs, headers)
    const repliesHere = this.#asksForDirectReply(buffer)
    if (repliesHere && replyConsumer === undefined) throw new WaybillError('PRECONDITION_FAILED', 'fast reply consumer does not exist')
    if (headers.size === 0 && !repliesHere) return
    const patch = repliesHere && replyConsumer !== undefined ? { headers, replyTo: replyConsumer.address } : { headers }
    publication.properties = AMQP_FORM.patch(buffer, publication.propertiesStart, publication.propertiesEnd, patch)
    publication.propertiesStart = 0
    publication.propertiesEnd = publication.properties.length
  }

  #delay(delayMs: number, headers: Map<string, HeaderValue | undefined>): void {
    checkDelay(delayMs)
    const publication = this.#publication
    this.#special = true
    publication.delayMs = delayMs
    // As RabbitMQ's plugin has it, what comes out of a delayed exchange says how long it waited, as a negative number.
    if (this.#channel.host.namespace.exchanges.get(publication.exchange)?.kind === 'delayed') headers.set('x-delay', -delayMs)
  }

  #asksForDirectReply(buffer: Buffer): boolean {
    const facets = this.#facets
    if (facets.replyToLength !== REPLY_QUEUE_BYTES.length) return false
    return REPLY_QUEUE_BYTES.equals(buffer.subarray(facets.replyToOffset, facets.replyToOffset + facets.replyToLength))
  }

  #forgetExtras(): void {
    const publication = this.#publication
    this.#special = false
    publication.delayMs = 0
    if (publication.moreKeys === undefined) return
    publication.moreKeys = undefined
    publication.route = undefined
  }

  #keepProperties(): void {
    const publication = this.#publication
    const length = publication.propertiesEnd - publication.propertiesStart
    if (this.#ownProperties.length < length) this.#ownProperties = Buffer.allocUnsafeSlow(Math.max(64, length))
    publication.properties.copy(this.#ownProperties, 0, publication.propertiesStart, publication.propertiesEnd)
    publication.properties = this.#ownProperties
    publication.propertiesStart = 0
    publication.propertiesEnd = length
  }

  #gather(buffer: Buffer, start: number, end: number): void {
    const needed = this.#gatheredLength + end - start
    const { context } = this.#channel.host
    if (context.unfinishedSizeBytes + end - start > LIMITS.unfinishedContentSizeBytesMax) {
      throw new WaybillError('RESOURCE_ERROR', 'too many bytes of unfinished messages')
    }
    if (needed > this.#gathered.length) {
      const size = Math.min(this.#bodySizeBytes, Math.max(needed, this.#gathered.length * 2, GATHERED_SIZE_BYTES_MIN))
      const larger = Buffer.allocUnsafeSlow(size)
      this.#gathered.copy(larger, 0, 0, this.#gatheredLength)
      this.#gathered = larger
    }
    buffer.copy(this.#gathered, this.#gatheredLength, start, end)
    this.#gatheredLength = needed
    context.unfinishedSizeBytes += end - start
  }

  #forgetGathered(): void {
    this.#channel.host.context.unfinishedSizeBytes -= this.#gatheredLength
    this.#gatheredLength = 0
    if (this.#gathered.length > KEPT_SIZE_BYTES_MAX) this.#gathered = EMPTY
  }

  #tooLarge(sizeBytes: number): WaybillError {
    const maximum = this.#channel.host.context.settings.messageSizeBytesMax
    return new WaybillError('MESSAGE_TOO_LARGE', `message size ${sizeBytes} is larger than configured max size ${maximum}`)
  }
}

/** True when the message has something that is looked at apart. */
function hasExtras(facets: MessageFacets): boolean {
  if (facets.headerFlags !== 0 || facets.userIdLength !== ABSENT) return true
  if (facets.expirationMs === INVALID || facets.expirationMs > LIMITS.timeToLiveMsMax) return true
  return facets.replyToLength === REPLY_QUEUE_BYTES.length
}

/** True when the frame behind the header frame whose payload ends at `end` is whole, on the same channel, and has the whole body. */
function bodyFollows(buffer: Buffer, end: number, channel: number, sizeBytes: number): boolean {
  // Behind the payload: frame end, head of the next frame, body, frame end.
  const next = end + 1
  if (next + FRAME_HEAD_SIZE_BYTES + sizeBytes >= buffer.length || buffer[next] !== FRAME.body) return false
  if ((((buffer[next + 1] as number) << 8) | (buffer[next + 2] as number)) !== channel) return false
  const size = ((buffer[next + 3] as number) << 24) | ((buffer[next + 4] as number) << 16) | ((buffer[next + 5] as number) << 8)
  return (size | (buffer[next + 6] as number)) === sizeBytes
}
