import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryDirectory } from './temporary-directory.ts'

export type KeyKind = 'rsa' | 'ec'

/** Certificates and PFX files made, and read back, by the `openssl` program, an independent implementation. */
export interface Openssl {
  /** Runs `openssl` in a directory of its own; the result is standard output. */
  run(args: readonly string[], input?: string | Buffer): Buffer
  path(name: string): string
  /** A key and its certificate, signed by `issuer` or by itself. PEM. */
  certificate(name: string, options?: CertificateOptions): Certificate
  /** A PFX file of the key and certificates, in the order given. */
  pfx(options: { key: string; certificates: readonly string[]; args: readonly string[] }): Buffer
}

export interface CertificateOptions {
  kind?: KeyKind
  issuer?: Certificate
  ca?: boolean
  /** Without subject and authority key identifiers. */
  bare?: boolean
  /** DNS names that a server with the certificate has. */
  hosts?: readonly string[]
}

export interface Certificate {
  name: string
  key: string
  certificate: string
}

export function createOpenssl(t: TestContext): Openssl {
  const directory = temporaryDirectory(t, 'keymount-openssl-')
  const path = (name: string) => join(directory, name)
  const run = (args: readonly string[], input?: string | Buffer) =>
    execFileSync('openssl', args, {
      cwd: directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(input === undefined ? {} : { input }),
    })
  const read = (name: string) => readFileSync(path(name), 'utf8')
  let serial = 1

  return {
    run,
    path,
    certificate(name, { kind = 'rsa', issuer, ca = false, bare = false, hosts = [] } = {}) {
      const algorithm =
        kind === 'rsa'
          ? ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
          : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
      run(['genpkey', ...algorithm, '-out', `${name}.key`])
      const extensions = [
        `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`,
        ...(hosts.length > 0 ? [`subjectAltName=${hosts.map((host) => `DNS:${host}`).join(',')}`] : []),
        ...(bare ? ['subjectKeyIdentifier=none', 'authorityKeyIdentifier=none'] : []),
      ]
      writeFileSync(path(`${name}.ext`), extensions.join('\n'))
      run(['req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`])
      const signer =
        issuer === undefined
          ? ['-signkey', `${name}.key`]
          : ['-CA', `${issuer.name}.crt`, '-CAkey', `${issuer.name}.key`]
      run([
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        ...signer,
        '-days',
        '2',
        '-set_serial',
        String(serial++),
        '-extfile',
        `${name}.ext`,
        '-out',
        `${name}.crt`,
      ])
      return { name, key: read(`${name}.key`), certificate: read(`${name}.crt`) }
    },
    pfx({ key, certificates, args }) {
      writeFileSync(path('in.pem'), [key, ...certificates].join(''))
      run(['pkcs12', '-export', '-in', 'in.pem', '-out', 'out.pfx', ...args])
      return readFileSync(path('out.pfx'))
    },
  }
}
