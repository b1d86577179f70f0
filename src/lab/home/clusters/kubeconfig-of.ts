import { stringify } from 'yaml'
import type { KubeConfig } from '#kubernetes/client'

/** A kubeconfig that needs no other file: what `kubectl config view --minify --flatten` gives. */
export async function kubeconfigOf(config: KubeConfig): Promise<string> {
  const { server, ca, cert, key, token, tlsServerName, insecureSkipTlsVerify } = config
  const base64 = (pem: string) => Buffer.from(pem).toString('base64')
  const cluster = {
    server,
    ...(ca !== undefined && { 'certificate-authority-data': base64(ca) }),
    ...(tlsServerName !== undefined && { 'tls-server-name': tlsServerName }),
    ...(insecureSkipTlsVerify === true && { 'insecure-skip-tls-verify': true }),
  }
  const user = {
    ...(cert !== undefined && { 'client-certificate-data': base64(cert) }),
    ...(key !== undefined && { 'client-key-data': base64(key) }),
    ...(token !== undefined && { token: await token() }),
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
