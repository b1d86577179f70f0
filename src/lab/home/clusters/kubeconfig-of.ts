import { stringify } from 'yaml'
import type { KubeConfig } from '#kubernetes/client'

/** A kubeconfig that needs no other file, as `kubectl config view --minify --flatten` prints it. */
export async function kubeconfigOf(config: KubeConfig): Promise<string> {
  const { server, ca, cert, key, token, tlsServerName, insecureSkipTlsVerify } = config
  const base64 = (pem: string | undefined) => (pem === undefined ? undefined : Buffer.from(pem).toString('base64'))
  // YAML leaves out what is undefined.
  const cluster = {
    server,
    'certificate-authority-data': base64(ca),
    'tls-server-name': tlsServerName,
    'insecure-skip-tls-verify': insecureSkipTlsVerify === true ? true : undefined,
  }
  const user = {
    'client-certificate-data': base64(cert),
    'client-key-data': base64(key),
    token: await token?.(),
  }
  const [name, userName] = ['cluster', 'administrator']
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster }],
    users: [{ name: userName, user }],
    contexts: [{ name, context: { cluster: name, user: userName } }],
    'current-context': name,
  })
}
