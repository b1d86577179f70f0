import { createPrivateKey, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SignJWT } from 'jose'
import {
  type CertificateAuthority,
  type Leaf,
  openCertificateAuthority,
} from '../../src/lab/azure/certificates/certificate-authority.ts'
import { startRegistry } from './docker-registry.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Docker's registry, which verifies access tokens as Azure's does: each is for one repository. */
export interface TokenRegistry {
  /** `127.0.0.1:PORT`. */
  host: string
  authority: CertificateAuthority
  /** Certificate for the name of the registry. */
  tls: Leaf
  /** An access token for a scope such as `repository:NAME:pull,push`. */
  token(scope: string): Promise<string>
}

/** @param name by which clients know the registry. */
export async function startTokenRegistry(t: TestContext, name: string): Promise<TokenRegistry> {
  const directory = temporaryDirectory(t)
  const authority = await openCertificateAuthority(directory)
  const tls = await authority.issue(name)
  const certificates = join(directory, 'tokens.pem')
  writeFileSync(certificates, tls.cert)
  const realm = `https://${name}/oauth2/token`
  const { host } = await startRegistry(t, {
    auth: { token: { realm, service: name, issuer: 'azure', rootcertbundle: certificates } },
  })
  return { host, authority, tls, token: (scope) => accessToken(tls, name, scope) }
}

async function accessToken({ cert, key }: Leaf, audience: string, scope: string): Promise<string> {
  const [type, name, actions = ''] = scope.split(':')
  const [first = ''] = cert.split(/(?<=-----END CERTIFICATE-----)/)
  return new SignJWT({ access: [{ type, name, actions: actions.split(',') }] })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c: [new X509Certificate(first).raw.toString('base64')] })
    .setIssuer('azure')
    .setAudience(audience)
    .setIssuedAt()
    .setNotBefore('-1m')
    .setExpirationTime('5m')
    .sign(createPrivateKey(key))
}
