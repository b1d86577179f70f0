import { replaceFile } from '#lib/files'
import type { KeyPair } from './pki.ts'

export interface KubeconfigOptions {
  server: string
  ca: string
  user: string
  credentials: KeyPair
}

/** Writes a kubeconfig with one cluster, one user and everything embedded (mode 0600). YAML is a superset of JSON. */
export function writeKubeconfig(path: string, { server, ca, user, credentials }: KubeconfigOptions): void {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'keymount',
    clusters: [{ name: 'keymount', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    contexts: [{ name: 'keymount', context: { cluster: 'keymount', user } }],
    users: [
      {
        name: user,
        user: {
          'client-certificate-data': base64(credentials.certificate),
          'client-key-data': base64(credentials.privateKey),
        },
      },
    ],
  }
  replaceFile(path, `${JSON.stringify(config, null, 2)}\n`)
}
