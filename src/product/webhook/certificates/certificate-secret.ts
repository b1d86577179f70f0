import type { Secret } from '#kubernetes/client'
import { SecretValue } from '#lib'
import type { ServingCertificate } from './serving-certificate.ts'

/** The certificate in a Secret, under upstream's keys; undefined when any part is missing. */
export function certificateOf({ data = {} }: Secret): ServingCertificate | undefined {
  const read = (key: string) => Buffer.from(data[key] ?? '', 'base64')
  const [ca, cert, key] = [read('ca.crt').toString('utf8'), read('tls.crt').toString('utf8'), read('tls.key')]
  return ca === '' || cert === '' || key.length === 0 ? undefined : { ca, cert, key: SecretValue.of(key) }
}

/** The Secret with this certificate and nothing else in it: the authority's key that upstream stores is removed. */
export function secretWith(secret: Secret, { ca, cert, key }: ServingCertificate): Secret {
  const encode = (value: string | Uint8Array) => Buffer.from(value).toString('base64')
  return { ...secret, data: { 'ca.crt': encode(ca), 'tls.crt': encode(cert), 'tls.key': encode(key.reveal()) } }
}
