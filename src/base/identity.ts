/**
 * Who somebody is and what they may do, as protocols need to know it. The implementation is in `admin`; protocols get it as a parameter.
 */

/** How somebody proves who they are. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** The certificate of the connection (SASL EXTERNAL). */
  | { readonly kind: 'certificate' }

/** What is known of the other end of a connection before it says who it is. */
export interface PeerFacts {
  readonly remoteAddress: string
  /** The connection is encrypted. */
  readonly encrypted: boolean
  /** Names in the peer's verified certificate, the preferred first; empty without one. */
  readonly certificateNames: readonly string[]
}

/** Somebody who has proved who they are. */
export interface Identity {
  readonly user: string
  /** Roles for administration, such as "administrator". */
  readonly tags: readonly string[]
}

/** Why somebody is not let in: for the log only, the peer is told nothing but that. */
export interface Refusal {
  readonly refused: string
}

/** Checks who somebody is. */
export interface Authenticator {
  /** Never rejects. */
  authenticate(credentials: Credentials, peer: PeerFacts): Promise<Identity | Refusal>
}

/**
 * What a user may do in one namespace. Answers are remembered, so that asking per message costs a look-up.
 * `configure`: create and delete an object; `write`: publish to it, bind to it; `read`: consume, get, purge, bind from it.
 */
export interface Permissions {
  /** True when everything is allowed: nothing needs to be asked. */
  readonly full: boolean
  mayConfigure(name: string): boolean
  mayWrite(name: string): boolean
  mayRead(name: string): boolean
}

/** Knows what users may do. */
export interface Authorizer {
  /** Undefined when the user has nothing to do in the namespace. */
  permissionsOf(identity: Identity, namespace: string): Permissions | undefined
}
