/**
 * Checks passwords and certificates against the configured users.
 *
 * A scrypt check costs tens of milliseconds of a thread of the pool that also writes the journal: one runs at a time, a bounded number
 * waits, and a success is remembered for a while under a keyed hash, so that a thousand reconnecting clients cost one check.
 * Wrong passwords are never remembered. What a peer is told is the same whatever was wrong.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Authenticator, Authorizer, Credentials, Identity, PeerFacts, Permissions, Refusal } from '../base/identity.ts'
import { checkPassword, type PasswordHash } from '../base/password-hash.ts'
import type { Random } from '../base/random.ts'
import { matchesPattern } from './name-pattern.ts'
import { EVERYTHING, PatternPermissions } from './permissions.ts'
import type { User, Users } from './users.ts'

/** How long a successful check is remembered. */
const REMEMBER_MS = 10 * 60_000
const REMEMBERED_MAX = 10_000
/** Checks that may wait for the one under way. */
const WAITING_MAX = 256

/** What it stands on. */
export interface AuthenticationOptions {
  readonly users: Users
  readonly clock: Clock
  readonly random: Random
  readonly isLoopback: (address: string) => boolean
  /** Told why somebody was not let in; the peer is not told. */
  readonly refused?: (reason: string, peer: PeerFacts) => void
  /** For tests: how a password is compared with its hash. @default checkPassword */
  readonly check?: (password: string, hash: PasswordHash) => Promise<boolean>
}

/** See the head of this file. */
export class Authentication implements Authenticator, Authorizer {
  readonly #users: Users
  readonly #clock: Clock
  readonly #isLoopback: (address: string) => boolean
  readonly #checkHash: (password: string, hash: PasswordHash) => Promise<boolean>
  readonly #refused: ((reason: string, peer: PeerFacts) => void) | undefined
  readonly #key: Uint8Array
  /** Keyed hash of user and password -> until when it is known to be right. */
  readonly #remembered = new Map<string, number>()
  readonly #checks = new Map<string, Promise<boolean>>()
  #last: Promise<unknown> = Promise.resolve()
  readonly #permissions = new Map<string, Permissions | undefined>()

  constructor(options: AuthenticationOptions) {
    this.#users = options.users
    this.#clock = options.clock
    this.#isLoopback = options.isLoopback
    this.#checkHash = options.check ?? checkPassword
    this.#refused = options.refused
    this.#key = options.random.bytes(32)
  }

  async authenticate(credentials: Credentials, peer: PeerFacts): Promise<Identity | Refusal> {
    const answer = await this.#check(credentials, peer)
    if ('refused' in answer) this.#refused?.(answer.refused, peer)
    return answer
  }

  async #check(credentials: Credentials, peer: PeerFacts): Promise<Identity | Refusal> {
    if (credentials.kind === 'certificate') return this.#byCertificate(peer)
    const user = this.#users.named(credentials.user)
    const digest = this.#digest(credentials.user, credentials.password)
    const right = await this.#isRight(user, digest, credentials)
    if (right === 'busy') return { refused: 'too many passwords are being checked' }
    if (user === undefined) return { refused: `there is no user '${credentials.user}'` }
    if (!right) return { refused: `wrong password for user '${credentials.user}'` }
    return this.#admit(user, peer)
  }

  permissionsOf(identity: Identity, namespace: string): Permissions | undefined {
    const key = `${identity.user}\0${namespace}`
    if (this.#permissions.has(key)) return this.#permissions.get(key)
    const user = this.#users.named(identity.user)
    const all = user === undefined ? [] : (user.permissions ?? EVERYTHING)
    const rules = all.filter((rule) => matchesPattern(rule.namespace, namespace))
    const permissions = rules.length === 0 ? undefined : new PatternPermissions(rules)
    // Namespaces are named by peers: what is remembered is bounded.
    if (this.#permissions.size >= REMEMBERED_MAX) this.#permissions.clear()
    this.#permissions.set(key, permissions)
    return permissions
  }

  #byCertificate(peer: PeerFacts): Identity | Refusal {
    if (peer.certificateNames.length === 0) return { refused: 'the connection has no verified certificate' }
    const user = this.#users.ofCertificate(peer.certificateNames)
    if (user === undefined) return { refused: `no user has the certificate name '${peer.certificateNames.join("', '")}'` }
    return this.#admit(user, peer)
  }

  #admit(user: User, peer: PeerFacts): Identity | Refusal {
    if (user.loopbackOnly && !this.#isLoopback(peer.remoteAddress)) {
      return { refused: `user '${user.name}' can only connect from this machine, not from ${peer.remoteAddress}` }
    }
    return { user: user.name, tags: user.tags }
  }

  async #isRight(user: User | undefined, digest: Buffer, credentials: { user: string; password: string }): Promise<boolean | 'busy'> {
    const secret = user?.secret ?? { kind: 'none' }
    if (secret.kind === 'password') return timingSafeEqual(digest, this.#digest(credentials.user, secret.password))
    if (secret.kind === 'hash') return this.#isRightByHash(digest, credentials.password, secret.hash)
    // Nobody is told by the time it takes that there is no such user.
    const anyHash = this.#users.anyHash()
    if (anyHash !== undefined && (await this.#isRightByHash(digest, credentials.password, anyHash, false)) === 'busy') return 'busy'
    return false
  }

  async #isRightByHash(digest: Buffer, password: string, hash: PasswordHash, remember = true): Promise<boolean | 'busy'> {
    const key = digest.toString('base64')
    const until = this.#remembered.get(key)
    if (until !== undefined && until > this.#clock.monotonic()) return true
    const underWay = this.#checks.get(key)
    if (underWay !== undefined) return underWay
    if (this.#checks.size >= WAITING_MAX) return 'busy'
    const check = this.#last.then(() => this.#checkHash(password, hash)).catch(() => false)
    this.#last = check
    this.#checks.set(key, check)
    const right = await check
    this.#checks.delete(key)
    if (right && remember) this.#remember(key)
    return right
  }

  #remember(key: string): void {
    this.#remembered.delete(key)
    if (this.#remembered.size >= REMEMBERED_MAX) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest)
        break
      }
    }
    this.#remembered.set(key, this.#clock.monotonic() + REMEMBER_MS)
  }

  /** The key is random per process: what is remembered says nothing about the password. */
  #digest(user: string, password: string): Buffer {
    return createHmac('sha256', this.#key).update(`${user.length}:${user}:${password}`).digest()
  }
}
