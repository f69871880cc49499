/**
 * The users of a server, as its configuration names them.
 */
import type { PasswordHash } from '../base/password-hash.ts'
import type { PermissionRule } from './permissions.ts'

/** What a user's password is compared with. */
export type Secret =
  /** The configuration holds the password itself. */
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'hash'; readonly hash: PasswordHash }
  /** The user has no password: only a certificate lets it in. */
  | { readonly kind: 'none' }

/** One user. */
export interface User {
  readonly name: string
  readonly secret: Secret
  /** Let in from this machine only. */
  readonly loopbackOnly: boolean
  /** Names of certificates that stand for this user, besides its own name. */
  readonly certificateNames: readonly string[]
  readonly tags: readonly string[]
  /** Undefined: everything, everywhere. */
  readonly permissions: readonly PermissionRule[] | undefined
}

/** guest with password guest, from this machine only, as RabbitMQ has it: a client that is tried out on one machine just connects. */
export const GUEST: User = {
  name: 'guest',
  secret: { kind: 'password', password: 'guest' },
  loopbackOnly: true,
  certificateNames: [],
  tags: ['administrator'],
  permissions: undefined,
}

/** Users by name and by the names of their certificates. */
export class Users {
  readonly #byName = new Map<string, User>()
  readonly #byCertificateName = new Map<string, User>()

  constructor(users: readonly User[]) {
    for (const user of users) {
      this.#byName.set(user.name, user)
      for (const name of user.certificateNames) this.#byCertificateName.set(name, user)
    }
  }

  named(name: string): User | undefined {
    return this.#byName.get(name)
  }

  /** The user that one of a certificate's names stands for: first as configured, then a user of that very name. */
  ofCertificate(names: readonly string[]): User | undefined {
    for (const name of names) {
      const user = this.#byCertificateName.get(name)
      if (user !== undefined) return user
    }
    for (const name of names) {
      const user = this.#byName.get(name)
      if (user !== undefined) return user
    }
    return undefined
  }

  /** A user whose password is kept as a hash, if there is any. */
  anyHash(): PasswordHash | undefined {
    for (const user of this.#byName.values()) if (user.secret.kind === 'hash') return user.secret.hash
    return undefined
  }
}
