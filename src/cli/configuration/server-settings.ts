/**
 * From the configuration as it was written to the settings of a server: files with secrets are read, shares of memory become bytes.
 */
import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { WaybillError } from '../../base/errors.ts'
import { parsePasswordHash } from '../../base/password-hash.ts'
import type { ServerSettings } from '../../server.ts'
import type { MemoryMark } from './leaf.ts'
import type { Configuration, ConfiguredUser } from './schema.ts'

type User = ServerSettings['users'][number]

/**
 * Makes the settings.
 * @throws CONFIGURATION_INVALID when a file with a secret cannot be read
 */
export async function serverSettingsOf(configuration: Configuration): Promise<ServerSettings> {
  const { listeners, tls, limits, memory, disk } = configuration
  return {
    listeners: [
      ...listeners.amqp.map((address) => ({ protocol: 'amqp' as const, ...address })),
      ...listeners.amqps.map((address) => ({ protocol: 'amqps' as const, ...address })),
    ],
    tls:
      tls === undefined
        ? undefined
        : {
            certificateFile: tls.certificate,
            keyFile: tls.key,
            passphrase: tls.passphraseFile === undefined ? tls.passphrase : await readSecret(tls.passphraseFile, 'tls.passphraseFile'),
            authorityFile: tls.authority,
            verify: tls.verify,
            versionMin: tls.versionMin,
          },
    guest: configuration.guest && !Object.hasOwn(configuration.users, 'guest'),
    users: await Promise.all(Object.entries(configuration.users).map(([name, user]) => userOf(name, user))),
    namespaces: configuration.namespaces,
    messageSizeBytesMax: limits.messageSize,
    connectionsMax: limits.connections,
    channelsPerConnectionMax: limits.channelsPerConnection,
    frameSizeBytesMax: limits.frameSize,
    heartbeatMs: limits.heartbeat,
    handshakeTimeoutMs: limits.handshakeTime,
    memoryMarkSizeBytes: markSizeBytes(memory.pauseAbove),
    diskFreeMarkSizeBytes: disk.pauseBelowFree,
    drainMs: configuration.drainTime,
  }
}

async function userOf(name: string, user: ConfiguredUser): Promise<User> {
  return {
    name,
    secret: await secretOf(name, user),
    loopbackOnly: user.loopbackOnly,
    certificateNames: user.certificateNames,
    tags: user.tags,
    permissions: user.permissions,
  }
}

async function secretOf(name: string, user: ConfiguredUser): Promise<User['secret']> {
  if (user.password !== undefined) return { kind: 'password', password: user.password }
  const text = user.passwordFile === undefined ? user.passwordHash : await readSecret(user.passwordFile, `users.${name}.passwordFile`)
  if (text === undefined) return { kind: 'none' }
  const hash = parsePasswordHash(text)
  return hash === undefined ? { kind: 'password', password: text } : { kind: 'hash', hash }
}

/** The first line of a file. */
async function readSecret(file: string, setting: string): Promise<string> {
  try {
    const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/, 1)
    if (line !== '') return line
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'does not exist'
        : `cannot be read (${String((error as NodeJS.ErrnoException).code)})`
    throw new WaybillError('CONFIGURATION_INVALID', `"${setting}": the file ${file} ${reason}`, { cause: error })
  }
  throw new WaybillError('CONFIGURATION_INVALID', `"${setting}": the first line of ${file} is empty`)
}

/** A share is one of what this process may use: in a container, the container's. */
function markSizeBytes(mark: MemoryMark): number {
  if ('sizeBytes' in mark) return mark.sizeBytes
  const constrained = process.constrainedMemory()
  const total = totalmem()
  return Math.floor(((constrained > 0 ? Math.min(constrained, total) : total) * mark.percent) / 100)
}
