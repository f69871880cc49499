/**
 * AMQP 0-9-1 on the wire, with RabbitMQ's extensions. All integers are unsigned and in network byte order [AMQP-0-9-1 4.2.1].
 *
 *     connection = protocol-header *frame
 *
 *     protocol-header = "AMQP" 0 0 9 1                                              [4.2.2]
 *
 *     frame:                                                                        [4.2.3]
 *     | offset   | size | field                                                   |
 *     | 0        | 1    | type: 1 method, 2 header, 3 body, 8 heartbeat           |
 *     | 1        | 2    | channel; 0 is the connection itself                     |
 *     | 3        | 4    | size of the payload                                     |
 *     | 7        | size | payload                                                 |
 *     | 7 + size | 1    | frame-end: 206                                          |
 *
 *     method payload  = class-id:uint16 method-id:uint16 *argument                  [4.2.4]
 *     header payload  = class-id:uint16 weight:uint16(0) body-size:uint64
 *                       flags:uint16 *property    (src/message/amqp-properties.ts)  [4.2.6.1]
 *     body payload    = bytes; a body is split so that no frame exceeds frame-max   [4.2.6.2]
 *     heartbeat       = empty, on channel 0                                         [4.2.7]
 *
 *     content = method-frame header-frame *body-frame, on one channel without other methods of that channel between [4.2.6]
 *
 *     argument:                                                                     [4.2.5]
 *     | bit                  | one bit; adjacent bits share octets, the lowest first |
 *     | octet short long longlong | 1, 2, 4, 8 bytes                                |
 *     | shortstr             | length:uint8 bytes                                   |
 *     | longstr              | length:uint32 bytes                                  |
 *     | timestamp            | uint64, seconds since 1970                           |
 *     | table                | src/message/field.ts                                 |
 *
 * frame-max counts the whole frame. As RabbitMQ does, a payload of up to frame-max bytes is accepted, because some clients do not
 * count the 8 bytes around it; what is sent stays within it.
 */
/** Frame types [4.2.3]. */
export const FRAME = { method: 1, header: 2, body: 3, heartbeat: 8 } as const

/** Last octet of every frame [4.2.3]. */
export const FRAME_END = 0xce

/** Bytes before the payload of a frame. */
export const FRAME_HEAD_SIZE_BYTES = 7

/** Bytes of a frame around its payload. */
export const FRAME_OVERHEAD_SIZE_BYTES = 8

/** What a client sends first, and what a server answers to anything else [4.2.2]. */
export const PROTOCOL_HEADER: Readonly<Uint8Array> = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1)

/** Bytes of the header, in this and every other version of the protocol. */
export const PROTOCOL_HEADER_SIZE_BYTES = 8

/** A heartbeat, whole [4.2.7]. */
export const HEARTBEAT_FRAME: Readonly<Uint8Array> = Uint8Array.of(FRAME.heartbeat, 0, 0, 0, 0, 0, 0, FRAME_END)

/** Class ids. */
export const CLASS = { connection: 10, channel: 20, access: 30, exchange: 40, queue: 50, basic: 60, confirm: 85, tx: 90 } as const

/** Class and method id as one number: the first four bytes of a method payload. */
export type MethodId = number

/** The ids that fast paths look for before anything is decoded. */
export const METHOD = {
  connectionClose: (10 << 16) | 50,
  connectionCloseOk: (10 << 16) | 51,
  channelClose: (20 << 16) | 40,
  channelCloseOk: (20 << 16) | 41,
  basicPublish: (60 << 16) | 40,
  basicReturn: (60 << 16) | 50,
  basicDeliver: (60 << 16) | 60,
  basicGetOk: (60 << 16) | 71,
  basicAck: (60 << 16) | 80,
  basicReject: (60 << 16) | 90,
  basicNack: (60 << 16) | 120,
} as const satisfies Record<string, MethodId>

/** Reply codes of close and return [AMQP-0-9-1 1.2, constants]. */
export const REPLY = {
  success: 200,
  contentTooLarge: 311,
  noRoute: 312,
  noConsumers: 313,
  connectionForced: 320,
  invalidPath: 402,
  accessRefused: 403,
  notFound: 404,
  resourceLocked: 405,
  preconditionFailed: 406,
  frameError: 501,
  syntaxError: 502,
  commandInvalid: 503,
  channelError: 504,
  unexpectedFrame: 505,
  resourceError: 506,
  notAllowed: 530,
  notImplemented: 540,
  internalError: 541,
} as const
