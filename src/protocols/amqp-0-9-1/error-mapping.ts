/**
 * Operating errors in the words of AMQP 0-9-1: reply code, the code's name that begins the reply text as in RabbitMQ, and how far the
 * damage goes [AMQP-0-9-1 1.2, 2.2.4]. How far it goes is the broker's table's decision (src/base/errors.ts): what closes a connection or the
 * server closes the connection, everything else the channel.
 */
import type { ErrorCode, WaybillError } from '../../base/errors.ts'
import { REPLY } from './grammar.ts'

/** What a client is told of an error. */
export interface ErrorReply {
  readonly closes: 'channel' | 'connection'
  readonly replyCode: number
  readonly replyText: string
}

type Row = readonly [replyCode: number, name: string]

const FRAME_ERROR: Row = [REPLY.frameError, 'FRAME_ERROR']
const INTERNAL_ERROR: Row = [REPLY.internalError, 'INTERNAL_ERROR']
const RESOURCE_ERROR: Row = [REPLY.resourceError, 'RESOURCE_ERROR']

const ROWS: Readonly<Partial<Record<ErrorCode, Row>>> = {
  NOT_FOUND: [REPLY.notFound, 'NOT_FOUND'],
  ACCESS_REFUSED: [REPLY.accessRefused, 'ACCESS_REFUSED'],
  AUTHENTICATION_FAILED: [REPLY.accessRefused, 'ACCESS_REFUSED'],
  RESOURCE_LOCKED: [REPLY.resourceLocked, 'RESOURCE_LOCKED'],
  PRECONDITION_FAILED: [REPLY.preconditionFailed, 'PRECONDITION_FAILED'],
  MESSAGE_TOO_LARGE: [REPLY.preconditionFailed, 'PRECONDITION_FAILED'],
  NOT_ALLOWED: [REPLY.notAllowed, 'NOT_ALLOWED'],
  // RabbitMQ has a virtual host that does not exist not allowed (530), not an invalid path (402).
  INVALID_PATH: [REPLY.notAllowed, 'NOT_ALLOWED'],
  NOT_IMPLEMENTED: [REPLY.notImplemented, 'NOT_IMPLEMENTED'],
  RESOURCE_ERROR,
  STORAGE_FULL: RESOURCE_ERROR,
  FRAME_ERROR,
  // What cannot be decoded is a frame error in RabbitMQ; its own syntax error (502) it never sends.
  SYNTAX_ERROR: FRAME_ERROR,
  COMMAND_INVALID: [REPLY.commandInvalid, 'COMMAND_INVALID'],
  CHANNEL_ERROR: [REPLY.channelError, 'CHANNEL_ERROR'],
  UNEXPECTED_FRAME: [REPLY.unexpectedFrame, 'UNEXPECTED_FRAME'],
  CONNECTION_FORCED: [REPLY.connectionForced, 'CONNECTION_FORCED'],
}

/** What the client is told. */
export function replyTo(error: WaybillError): ErrorReply {
  const [replyCode, name] = ROWS[error.code] ?? INTERNAL_ERROR
  const closes = error.closes === 'connection' || error.closes === 'server' ? 'connection' : 'channel'
  return { closes, replyCode, replyText: `${name} - ${error.message}` }
}
