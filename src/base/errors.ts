/**
 * The one table of operating errors. Classes, documentation and every protocol's mapping come from it.
 *
 * `closes` says how far the damage goes: nothing (the request is refused), the message, the channel or session,
 * the connection, or the server. `retryable` says whether the same request may succeed later without a change.
 * Errors are never classified by their text; `cause` is kept.
 */

/** What an error ends. */
export type Closes = 'nothing' | 'message' | 'channel' | 'connection' | 'server'

/** One row of the table. */
export interface ErrorRow {
  readonly closes: Closes
  readonly retryable: boolean
  /** One sentence: what happened. */
  readonly text: string
  /** One sentence: what to do. */
  readonly help: string
}

const row = (closes: Closes, retryable: boolean, text: string, help: string): ErrorRow => ({ closes, retryable, text, help })

/** Every operating error, by area. */
export const ERRORS = {
  // Broker: requests on namespaces, exchanges, queues, consumers, deliveries.
  NOT_FOUND: row('channel', false, 'The named object does not exist.', 'Declare it first, or correct the name.'),
  ACCESS_REFUSED: row('channel', false, 'The operation is not allowed.', 'Ask for the permission, or use another name.'),
  RESOURCE_LOCKED: row(
    'channel',
    true,
    'The object is in exclusive use by somebody else.',
    'Wait until the other connection is gone, or use another name.',
  ),
  PRECONDITION_FAILED: row(
    'channel',
    false,
    'The request does not fit the state of the object.',
    'Correct the request; the text names the argument.',
  ),
  NOT_ALLOWED: row('connection', false, 'The request is not allowed in this state.', 'Correct the client; the text names the request.'),
  NOT_IMPLEMENTED: row(
    'connection',
    false,
    'The request is part of the protocol but not offered here.',
    'Use the alternative that the text names.',
  ),
  RESOURCE_ERROR: row('channel', true, 'A limit of the server was reached.', 'Free resources, or raise the limit in the configuration.'),
  // Connection-level protocol errors.
  FRAME_ERROR: row('connection', false, 'A frame could not be read.', 'Correct the client: the bytes on the wire are not valid.'),
  SYNTAX_ERROR: row(
    'connection',
    false,
    'A field of a frame could not be read.',
    'Correct the client: the bytes on the wire are not valid.',
  ),
  COMMAND_INVALID: row(
    'connection',
    false,
    'The request is not valid at this point of the conversation.',
    'Correct the client: the order of its requests is wrong.',
  ),
  CHANNEL_ERROR: row(
    'connection',
    false,
    'The channel is not usable for this request.',
    'Correct the client: it used a channel that is closed or open already.',
  ),
  UNEXPECTED_FRAME: row(
    'connection',
    false,
    'A frame came that is not expected here.',
    'Correct the client: the order of its frames is wrong.',
  ),
  CONNECTION_FORCED: row('connection', true, 'The server closes the connection.', 'Connect again later; the text gives the reason.'),
  INTERNAL_ERROR: row('connection', true, 'The server could not carry out the request.', 'Look at the log of the server.'),
  AUTHENTICATION_FAILED: row('connection', false, 'The login was refused.', 'Check user, password and mechanism.'),
  INVALID_PATH: row('connection', false, 'The named namespace (virtual host) does not exist.', 'Create it, or correct its name.'),
  // Storage.
  STORAGE_DAMAGED: row(
    'server',
    false,
    'A file of the journal is damaged.',
    'Restore it from a backup, or salvage as docs/formats says; the text names file and offset.',
  ),
  STORAGE_FULL: row('nothing', true, 'The disk is full.', 'Free space; publishers are paused until there is some.'),
  STORAGE_FAILED: row(
    'server',
    true,
    'The disk refused a write or a sync.',
    'Check the disk, then start again: everything confirmed is on it.',
  ),
  STORAGE_LOCKED: row(
    'server',
    true,
    'Another server uses this data folder.',
    'Stop the other server, or choose another folder with --data.',
  ),
  STORAGE_VERSION: row(
    'server',
    false,
    'The data folder was written by another version in a format unknown here.',
    'Start the version that wrote it, or a later one.',
  ),
  MESSAGE_TOO_LARGE: row(
    'channel',
    false,
    'The message is larger than the limit.',
    'Send a reference instead (claim check), or raise the limit in the configuration.',
  ),
  // Server and command line.
  CONFIGURATION_INVALID: row('server', false, 'The configuration is not valid.', 'Correct the place that the text names.'),
  ADDRESS_IN_USE: row('server', true, 'The address is in use.', 'Stop the other program, or choose another port.'),
  ADDRESS_REFUSED: row(
    'server',
    false,
    'The machine does not let this server listen on the address.',
    'Choose an address of this machine, or another port.',
  ),
  SERVER_UNREACHABLE: row(
    'nothing',
    true,
    'The server cannot be reached.',
    'Check that it runs and that the address (--url or WAYBILL_URL) is right.',
  ),
  INPUT_INVALID: row('nothing', false, 'The input cannot be used.', 'Correct the place that the text names.'),
  OUTPUT_FAILED: row(
    'nothing',
    true,
    'The output cannot be written.',
    'Make room or choose another place; what was not written stays in the queue.',
  ),
  FOLDER_NOT_WRITABLE: row(
    'server',
    false,
    'The data folder cannot be written.',
    'Correct its permissions, or choose another folder with --data.',
  ),
} as const satisfies Record<string, ErrorRow>

/** The code of an operating error. */
export type ErrorCode = keyof typeof ERRORS

/**
 * An operating error: something outside Waybill's own code was not as it should be.
 * `message` is for people (what happened, where); `code` is for programs.
 */
export class WaybillError extends Error {
  override readonly name = 'WaybillError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message?: string, options?: { cause?: unknown }) {
    super(message ?? ERRORS[code].text, options)
    this.code = code
  }

  get closes(): Closes {
    return ERRORS[this.code].closes
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }

  get help(): string {
    return ERRORS[this.code].help
  }
}
