/**
 * The one schema of the configuration: the file, the environment, the flags, docs/configuration.md and
 * docs/configuration.schema.json all come from it.
 */
import * as v from 'valibot'
import { LIMITS } from '../../base/limits.ts'
import { formatDuration, formatSize } from './quantity.ts'
import { addresses, choice, duration, flag, integer, memoryMark, size, text, textList } from './leaf.ts'

const SECOND_MS = 1_000
const HOUR_MS = 3_600_000
const MIB = 2 ** 20

/** As people write it: "16MiB". */
const sizeText = (sizeBytes: number): string => formatSize(sizeBytes).replace(' ', '')

const described = <S extends v.GenericSchema>(schema: S, description: string) => v.pipe(schema, v.description(description))

const listeners = v.strictObject({
  amqp: v.optional(described(addresses(), 'Where AMQP 0-9-1 is spoken. An empty list: nowhere.'), [5672]),
  amqps: v.optional(described(addresses(), 'Where AMQP 0-9-1 is spoken over TLS; needs `tls`.'), []),
})

const tls = v.strictObject({
  certificate: described(text('the path of a PEM file'), "File with the server's certificate, followed by intermediate ones (PEM)."),
  key: described(text('the path of a PEM file'), 'File with its private key (PEM).'),
  passphrase: v.optional(described(text('a passphrase', { secret: true }), 'Passphrase of the private key.')),
  passphraseFile: v.optional(described(text('the path of a file'), 'File with the passphrase of the private key.')),
  authority: v.optional(described(text('the path of a PEM file'), "File with the authorities that sign clients' certificates (PEM).")),
  verify: v.optional(
    described(
      choice(['none', 'request', 'require']),
      'Whether clients show a certificate: not asked, asked and valid if shown, or required. A verified one can log in (SASL EXTERNAL).',
    ),
    'none',
  ),
  versionMin: v.optional(described(choice(['TLSv1.2', 'TLSv1.3']), 'Oldest version of TLS that is accepted.'), 'TLSv1.2'),
})

const names = (what: string): ReturnType<typeof textList> => textList(`patterns of ${what} names (\`*\` any characters, \`?\` one)`)

const permission = v.strictObject({
  namespace: v.optional(described(text('a pattern of namespace names'), 'Pattern of the namespaces it is about.'), '*'),
  configure: v.optional(described(names('object'), 'What may be created and deleted.'), []),
  write: v.optional(described(names('object'), 'What may be published to, and bound to.'), []),
  read: v.optional(described(names('object'), 'What may be consumed, purged, and bound from.'), []),
})

const user = v.strictObject({
  password: v.optional(described(text('a password', { secret: true }), 'The password itself; better one of the next two.')),
  passwordHash: v.optional(
    described(text('a hash as `waybill hash-password` prints it', { secret: true }), 'A scrypt hash from `waybill hash-password`.'),
  ),
  passwordFile: v.optional(described(text('the path of a file'), 'File whose first line is the password or its hash.')),
  certificateNames: v.optional(
    described(
      textList('certificate names'),
      'Names of client certificates (common name, distinguished name or alternative name) that stand for this user.',
    ),
    [],
  ),
  loopbackOnly: v.optional(described(flag(), 'Let in from this machine only.'), false),
  tags: v.optional(described(textList('roles'), 'Roles for administration, such as `administrator`.'), []),
  permissions: v.optional(described(v.array(permission), 'What the user may do; everything when left out.')),
})

const limits = v.strictObject({
  messageSize: v.optional(
    described(size(1024, LIMITS.messageSizeBytesMax), 'Largest body of a message.'),
    sizeText(LIMITS.messageSizeBytesDefault),
  ),
  connections: v.optional(described(integer(1, 1_000_000), 'Connections at the same time.'), LIMITS.connectionsMaxDefault),
  channelsPerConnection: v.optional(
    described(integer(1, LIMITS.channelsPerConnectionMax), 'Channels per connection.'),
    LIMITS.channelsPerConnectionMax,
  ),
  frameSize: v.optional(
    described(size(LIMITS.frameSizeBytesMin, 16 * MIB), 'Largest frame that is offered to clients.'),
    sizeText(LIMITS.frameSizeBytesDefault),
  ),
  heartbeat: v.optional(
    described(duration(0, HOUR_MS), 'Heartbeat that is offered to clients; "0" for none.'),
    formatDuration(LIMITS.heartbeatSecondsDefault * SECOND_MS),
  ),
  handshakeTime: v.optional(
    described(duration(SECOND_MS, 10 * 60 * SECOND_MS), 'How long a connection may take to log in before it is closed.'),
    formatDuration(LIMITS.handshakeTimeoutMs),
  ),
})

const memory = v.strictObject({
  pauseAbove: v.optional(
    described(
      memoryMark(),
      'Memory in use above which publishers are paused (consumers go on): a share of the memory of the machine or container, or a size.',
    ),
    '60%',
  ),
})

const disk = v.strictObject({
  pauseBelowFree: v.optional(described(size(0, Infinity), 'Free disk space below which publishers are paused.'), '256MiB'),
})

const log = v.strictObject({
  level: v.optional(
    described(choice(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']), 'What is logged, on standard error.'),
    'info',
  ),
  format: v.optional(described(choice(['text', 'json']), 'Lines for people, or JSON lines for programs.'), 'text'),
})

/** The whole configuration. Paths of files are relative to the folder of the configuration file. */
export const CONFIGURATION_SCHEMA = v.strictObject({
  data: v.optional(described(text('the path of a folder'), 'Folder of the data; created when it does not exist.'), './waybill-data'),
  listeners: v.optional(described(listeners, 'Where connections are accepted. A port alone is reachable from this machine only.'), {}),
  tls: v.optional(described(tls, 'Certificates of the TLS listeners. Read again on SIGHUP.')),
  guest: v.optional(
    described(
      flag(),
      'The user `guest` with the password `guest` may connect from this machine. A user of that name under `users` replaces it.',
    ),
    true,
  ),
  users: v.optional(described(v.record(v.string(), user), 'Users by name.'), {}),
  namespaces: v.optional(
    described(textList('names', { min: 1 }), 'Namespaces (virtual hosts) that exist from the start; the first is the default.'),
    ['/'],
  ),
  limits: v.optional(described(limits, 'Bounds for clients.'), {}),
  memory: v.optional(described(memory, 'Memory pressure.'), {}),
  disk: v.optional(described(disk, 'Disk pressure.'), {}),
  drainTime: v.optional(
    described(duration(0, HOUR_MS), 'How long deliveries may take to settle after SIGTERM before connections are closed.'),
    '10s',
  ),
  log: v.optional(described(log, 'The log.'), {}),
})

/** The configuration as read: every setting is there, in its final unit. */
export type Configuration = v.InferOutput<typeof CONFIGURATION_SCHEMA>

/** One user as configured. */
export type ConfiguredUser = Configuration['users'][string]
