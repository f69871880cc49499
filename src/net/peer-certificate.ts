/** Who is at the other end of a TLS connection, as far as its verified certificate says. */
export interface PeerCertificate {
  /** The subject as a distinguished name, most specific part first: "CN=shop,O=Example". */
  readonly distinguishedName: string
  readonly commonName: string | undefined
  /** DNS names, e-mail addresses and URIs of the certificate, without their prefix. */
  readonly alternativeNames: readonly string[]
}
