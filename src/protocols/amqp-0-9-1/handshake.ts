/**
 * A connection until it is open [AMQP-0-9-1 1.4, 2.2.4, 4.2.2]:
 *
 *     greeting -> starting -> checking -> tuning -> opening -> done
 *
 * What goes wrong before `opening` ends the socket without a word, as in RabbitMQ, but for a refused login that the client wants to be
 * told of (authentication_failure_close).
 */
import { assert } from '../../base/assert.ts'
import { WaybillError } from '../../base/errors.ts'
import type { Identity, PeerFacts, Permissions, Refusal } from '../../base/identity.ts'
import { LIMITS } from '../../base/limits.ts'
import type { Namespace } from '../../broker/namespace.ts'
import { booleanOf, type FieldTable } from '../../message/field.ts'
import type { Connection } from '../../net/connection.ts'
import type { AmqpContext } from './amqp-context.ts'
import type { ClientCapabilities } from './channel-context.ts'
import { PROTOCOL_HEADER } from './grammar.ts'
import { encodeMethodFrame, type Method, type MethodOf } from './methods.ts'
import { offeredMechanisms, parseResponse } from './sasl.ts'

type HandshakeState = 'greeting' | 'starting' | 'checking' | 'tuning' | 'opening' | 'done'

const NEXT: Readonly<Record<HandshakeState, readonly HandshakeState[]>> = {
  greeting: ['starting'],
  starting: ['checking'],
  checking: ['tuning'],
  tuning: ['opening'],
  opening: ['done'],
  done: [],
}

/** What the client agreed to. */
export interface TunedLimits {
  readonly channelsMax: number
  readonly frameSizeBytesMax: number
  /** 0: none. */
  readonly heartbeatSeconds: number
}

/** What the client has opened. */
export interface OpenedConnection {
  readonly namespace: Namespace
  readonly identity: Identity
  readonly permissions: Permissions
  readonly capabilities: ClientCapabilities
  readonly clientProperties: FieldTable
}

/** The connection, as its handshake needs it. */
export interface HandshakeHost {
  readonly net: Connection
  readonly context: AmqpContext
  /** Ends the socket without a word. */
  refuse(): void
  /** Reads nothing until `resumeReading`. */
  pauseReading(): void
  resumeReading(): void
  /** Closes the connection with an error that belongs to no method. */
  closeWith(error: WaybillError): void
  tuned(limits: TunedLimits): void
  opened(opened: OpenedConnection): void
}

/** The capabilities of the server [RabbitMQ's extensions]. */
const CAPABILITIES = {
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  consumer_priorities: true,
  authentication_failure_close: true,
  per_consumer_qos: true,
  direct_reply_to: true,
} as const

/** Clients choose their ways by these two: they name the dialect that is spoken, not who speaks it (docs/decisions/0016). */
const DIALECT = { product: 'RabbitMQ', version: '3.13.7' } as const

const NO_CAPABILITIES: ClientCapabilities = { authenticationFailureClose: false, connectionBlocked: false, consumerCancelNotify: false }

/** See the head of this file. */
export class Handshake {
  readonly #host: HandshakeHost
  #state: HandshakeState = 'greeting'
  #capabilities: ClientCapabilities = NO_CAPABILITIES
  #clientProperties: FieldTable | undefined
  #identity: Identity | undefined

  constructor(host: HandshakeHost) {
    this.#host = host
  }

  /** Errors are told to the client from here on. */
  get answersErrors(): boolean {
    return this.#state === 'opening'
  }

  /** The eight bytes that begin a connection. @returns false when they are not ours: the client is told what is spoken here */
  greeting(bytes: Uint8Array): boolean {
    const { net, context } = this.#host
    if (!sameBytes(bytes, PROTOCOL_HEADER)) {
      net.send(PROTOCOL_HEADER)
      net.close()
      return false
    }
    this.#become('starting')
    const serverProperties = {
      capabilities: CAPABILITIES,
      cluster_name: 'waybill',
      information: `Waybill ${context.settings.version}, Apache License 2.0`,
      platform: `Node.js ${process.versions.node}`,
      ...DIALECT,
    }
    const mechanisms = offeredMechanisms(this.#certified)
    net.send(encodeMethodFrame(0, 'connection.start', { versionMajor: 0, versionMinor: 9, serverProperties, mechanisms, locales: 'en_US' }))
    return true
  }

  /** Takes a method on channel 0. @throws WaybillError when the client is to be told */
  receive(method: Method): void {
    if (this.#state === 'starting' && method.method === 'connection.start-ok') return this.#login(method)
    if (this.#state === 'tuning' && method.method === 'connection.tune-ok') return this.#tune(method)
    if (this.#state === 'opening') {
      if (method.method === 'connection.open') return this.#open(method)
      throw new WaybillError('CHANNEL_ERROR', 'unexpected method in connection state opening')
    }
    this.#host.refuse()
  }

  // ---- Login ----

  #login(method: MethodOf<'connection.start-ok'>): void {
    this.#become('checking')
    this.#capabilities = capabilitiesOf(method.clientProperties)
    this.#clientProperties = method.clientProperties
    const credentials = parseResponse(method.mechanism, method.response, this.#certified)
    if (credentials === undefined) return this.#host.refuse()
    this.#host.pauseReading()
    void this.#host.context.authenticator.authenticate(credentials, peerFactsOf(this.#host.net)).then((outcome) => {
      this.#loggedIn(outcome, method.mechanism)
    })
  }

  #loggedIn(outcome: Identity | Refusal, mechanism: string): void {
    const { net, context } = this.#host
    if (net.state !== 'handshake' || this.#state !== 'checking') return
    if ('refused' in outcome) return this.#loginRefused(mechanism)
    this.#identity = outcome
    this.#become('tuning')
    const { channelsMax, frameSizeBytesMax, heartbeatSeconds } = context.settings
    net.send(encodeMethodFrame(0, 'connection.tune', { channelMax: channelsMax, frameMax: frameSizeBytesMax, heartbeat: heartbeatSeconds }))
    this.#host.resumeReading()
  }

  #loginRefused(mechanism: string): void {
    if (!this.#capabilities.authenticationFailureClose) return this.#host.refuse()
    const text = `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`
    this.#host.closeWith(new WaybillError('AUTHENTICATION_FAILED', text))
    this.#host.resumeReading()
  }

  get #certified(): boolean {
    return this.#host.net.encryption?.peerCertificate !== undefined
  }

  // ---- Limits ----

  #tune(method: MethodOf<'connection.tune-ok'>): void {
    const { settings } = this.#host.context
    const { channelMax, frameMax, heartbeat } = method
    // Zero does not mean "as proposed": RabbitMQ refuses it too.
    const channelsFit = channelMax > 0 && channelMax <= settings.channelsMax
    const framesFit = frameMax >= LIMITS.frameSizeBytesMin && frameMax <= settings.frameSizeBytesMax
    if (!channelsFit || !framesFit) return this.#host.refuse()
    this.#become('opening')
    this.#host.tuned({ channelsMax: channelMax, frameSizeBytesMax: frameMax, heartbeatSeconds: heartbeat })
  }

  // ---- Opening ----

  #open(method: MethodOf<'connection.open'>): void {
    const { context, net } = this.#host
    const identity = this.#identity
    assert(identity !== undefined, 'only somebody who is known opens a connection')
    const namespace = context.broker.namespaceNamed(method.virtualHost)
    const permissions = context.authorizer.permissionsOf(identity, namespace.name)
    if (permissions === undefined) {
      throw new WaybillError('NOT_ALLOWED', `access to vhost '${namespace.name}' refused for user '${identity.user}'`)
    }
    if (context.draining) throw new WaybillError('CONNECTION_FORCED', 'the server is shutting down')
    this.#become('done')
    const clientProperties = this.#clientProperties
    assert(clientProperties !== undefined, 'a client has said what it is')
    this.#host.opened({ namespace, identity, permissions, capabilities: this.#capabilities, clientProperties })
    net.send(encodeMethodFrame(0, 'connection.open-ok', {}))
  }

  #become(next: HandshakeState): void {
    assert(NEXT[this.#state].includes(next), 'the handshake may change to this state')
    this.#state = next
  }
}

/** What is known of the other end. */
function peerFactsOf(net: Connection): PeerFacts {
  const certificate = net.encryption?.peerCertificate
  const names: string[] = []
  if (certificate !== undefined) {
    names.push(certificate.distinguishedName)
    if (certificate.commonName !== undefined) names.push(certificate.commonName)
    names.push(...certificate.alternativeNames)
  }
  return { remoteAddress: net.remoteAddress, encrypted: net.encryption !== undefined, certificateNames: names }
}

function capabilitiesOf(properties: FieldTable): ClientCapabilities {
  const given = properties.get('capabilities')
  if (given?.tag !== 'F') return NO_CAPABILITIES
  const has = (name: string): boolean => booleanOf(given.value.get(name)) === true
  return {
    authenticationFailureClose: has('authentication_failure_close'),
    connectionBlocked: has('connection.blocked'),
    consumerCancelNotify: has('consumer_cancel_notify'),
  }
}

function sameBytes(a: Uint8Array, b: Readonly<Uint8Array>): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
