/**
 * Certificates: from the files that the configuration names to what a TLS listener needs, with an error that says which file is wrong and how.
 */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { PeerCertificate as NodePeerCertificate } from 'node:tls'
import { WaybillError } from '../base/errors.ts'
import type { PeerCertificate } from './peer-certificate.ts'

/** Whether clients must show a certificate: not asked for; asked for, and valid when shown; required. */
export type VerifyMode = 'none' | 'request' | 'require'

/** Where the certificates are. */
export interface TlsFiles {
  /** The server's certificate, followed by the intermediate ones (PEM). */
  readonly certificateFile: string
  /** Its private key (PEM). */
  readonly keyFile: string
  readonly passphrase: string | undefined
  /** The authorities that sign clients' certificates (PEM). */
  readonly authorityFile: string | undefined
  readonly verify: VerifyMode
  readonly versionMin: 'TLSv1.2' | 'TLSv1.3'
}

/** What a TLS listener needs, read and checked. */
export interface TlsSettings {
  readonly certificate: string
  readonly key: string
  readonly passphrase: string | undefined
  readonly authority: string | undefined
  readonly verify: VerifyMode
  readonly versionMin: 'TLSv1.2' | 'TLSv1.3'
  /** What is odd but usable: a certificate that has expired or is not valid yet. */
  readonly warnings: readonly string[]
}

/**
 * Reads and checks the files.
 * @throws CONFIGURATION_INVALID naming the file and what is wrong with it
 */
export async function loadTls(files: TlsFiles, nowMs: number): Promise<TlsSettings> {
  const [certificate, key, authority] = await Promise.all([
    readPem(files.certificateFile, 'certificate'),
    readPem(files.keyFile, 'private key'),
    files.authorityFile === undefined ? undefined : readPem(files.authorityFile, 'certificate'),
  ])
  const parsed = parseCertificate(certificate, files.certificateFile)
  const privateKey = parseKey(key, files.keyFile, files.passphrase)
  if (!parsed.checkPrivateKey(privateKey)) {
    throw invalid(`the private key in ${files.keyFile} does not belong to the certificate in ${files.certificateFile}`)
  }
  if (authority !== undefined) parseCertificate(authority, files.authorityFile as string)
  if (files.verify !== 'none' && authority === undefined) {
    throw invalid('client certificates are to be verified, but no file with the authorities that sign them is named')
  }
  const warnings: string[] = []
  if (nowMs > Date.parse(parsed.validTo)) warnings.push(`the certificate in ${files.certificateFile} expired on ${parsed.validTo}`)
  if (nowMs < Date.parse(parsed.validFrom))
    warnings.push(`the certificate in ${files.certificateFile} is not valid before ${parsed.validFrom}`)
  return { certificate, key, passphrase: files.passphrase, authority, verify: files.verify, versionMin: files.versionMin, warnings }
}

async function readPem(file: string, what: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'ENOENT' ? 'the file does not exist' : code === 'EACCES' ? 'the file may not be read' : String(code)
    throw invalid(`${what} ${file}: ${reason}`, error)
  }
  if (!text.includes('-----BEGIN ')) throw invalid(`${what} ${file}: expected PEM text ("-----BEGIN ..."), found something else`)
  return text
}

function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw invalid(`certificate ${file}: cannot be read: ${(error as Error).message}`, error)
  }
}

function parseKey(pem: string, file: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase })
  } catch (error) {
    if (passphrase === undefined && pem.includes('ENCRYPTED')) {
      throw invalid(`private key ${file}: it is encrypted, and no passphrase is configured`, error)
    }
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ERR_OSSL_BAD_DECRYPT' || /bad decrypt/i.test((error as Error).message)) {
      throw invalid(`private key ${file}: the passphrase is wrong`, error)
    }
    throw invalid(`private key ${file}: cannot be read: ${(error as Error).message}`, error)
  }
}

function invalid(text: string, cause?: unknown): WaybillError {
  return new WaybillError('CONFIGURATION_INVALID', text, { cause })
}

/** The names in a verified client certificate. */
export function peerCertificateOf(certificate: NodePeerCertificate): PeerCertificate {
  const subject = (certificate.subject ?? {}) as unknown as Record<string, string | string[] | undefined>
  const parts: string[] = []
  for (const [key, value] of Object.entries(subject)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) parts.push(`${key}=${escapeName(one)}`)
  }
  const commonName = Array.isArray(subject['CN']) ? subject['CN'][0] : subject['CN']
  return { distinguishedName: parts.reverse().join(','), commonName, alternativeNames: alternativeNames(certificate.subjectaltname) }
}

/** [RFC 4514 2.4] */
function escapeName(value: string): string {
  return value
    .replace(/[,+"\\<>;=]/g, '\\$&')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
}

/** Node gives "DNS:a, email:b, URI:c"; a name with a comma or a quote comes as a JSON string. */
function alternativeNames(text: string | undefined): string[] {
  if (text === undefined) return []
  const names: string[] = []
  for (const match of text.matchAll(/(?:^|, )(DNS|email|URI):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const value = match[2] as string
    names.push(value.startsWith('"') ? (JSON.parse(value) as string) : value)
  }
  return names
}
