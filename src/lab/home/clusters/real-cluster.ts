import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createKubeClient, type KubeClient, type KubeConfig, resources } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { replaceFile } from '#lib/files'
import { parseJson, stringOf, valueAt } from '#lib/formats'
import { createHttpClient, type HttpSend } from '#lib/http'
import { CliError } from '#terminal'
import type { Session } from '../session.ts'
import type { LabState } from '../state/lab-state.ts'
import type { LabCluster } from './lab-cluster.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

/** The user's cluster, as a lab uses it. Throws {@link CliError} if it cannot be reached, or not as an administrator. */
export async function realCluster(session: Session, state: LabState, path: string): Promise<LabCluster> {
  return session.terminal.step(
    'Cluster',
    async () => {
      const config = readKubeconfig(path, session.world.env)
      const kube = createKubeClient(config)
      try {
        return await describeCluster(session, { state, path, config, kube })
      } finally {
        kube.close()
      }
    },
    ({ server, issuer }) => `${server}, issuer ${issuer}`,
  )
}

async function describeCluster(
  { home }: Session,
  { state, path, config, kube }: { state: LabState; path: string; config: KubeConfig; kube: KubeClient },
): Promise<LabCluster> {
  const [issuer, node] = await Promise.all([readIssuer(kube), firstNodeAddress(kube)])
  if (state.azure === 'local') await assertIssuerIsPublic(issuer, config.ca)
  if (config.ca !== undefined) replaceFile(home.clusterCa, config.ca)
  return {
    kubeconfig: path,
    config,
    server: config.server,
    issuer,
    caFile: config.ca === undefined ? undefined : home.clusterCa,
    kubeletRoot: state.kubeletRoot ?? '/var/lib/kubelet',
    addressForPods: state.listen === '' ? await localAddressTowards(node) : state.listen,
    image: state.image,
    shared: undefined,
  }
}

/** https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery */
async function readIssuer(kube: KubeClient): Promise<string> {
  const text = await kube.raw({ method: 'GET', path: '/.well-known/openid-configuration' })
  const issuer = stringOf(valueAt(parseJson('the discovery document of the cluster', text), 'issuer'))
  if (issuer !== undefined) return issuer
  throw new CliError({ what: `The cluster ${kube.server} cannot be used`, why: 'its discovery document has no issuer' })
}

async function firstNodeAddress(kube: KubeClient): Promise<string> {
  const { items } = await kube.list(resources.nodes)
  const addresses = items.flatMap(({ status }) => status?.addresses ?? [])
  const internal = addresses.find(({ type }) => type === 'InternalIP')
  if (internal !== undefined) return internal.address
  throw new CliError({
    what: `The cluster ${kube.server} cannot be used`,
    why: items.length === 0 ? 'it has no node' : 'none of its nodes has an InternalIP',
  })
}

/**
 * Entra fetches the keys of an issuer without credentials; so does the local Azure, from this machine. Throws
 * {@link CliError} if that cannot work, before anything is installed.
 */
async function assertIssuerIsPublic(issuer: string, ca: string | undefined): Promise<void> {
  const http = createHttpClient({ extraCa: ca })
  try {
    const discovery = await fetchPublic(
      http.send,
      issuer,
      `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    )
    await fetchPublic(http.send, issuer, stringOf(valueAt(discovery, 'jwks_uri')) ?? '')
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError({
      what: issuerNotPublic(issuer),
      why: errorMessage(cause),
      fix: [
        'give the API server an issuer that this machine can reach: --service-account-issuer=https://ADDRESS:PORT (kind: kubeadmConfigPatches, apiServer.extraArgs)',
      ],
      cause,
    })
  } finally {
    http.stop()
  }
}

async function fetchPublic(send: HttpSend, issuer: string, url: string): Promise<unknown> {
  const accept = 'application/jwk-set+json, application/json'
  const { status, body } = await send({ url: new URL(url), headers: { accept } })
  if (status === 200) return parseJson(url, body)
  throw new CliError({
    what: issuerNotPublic(issuer),
    why: `GET ${url} without credentials answers ${status}`,
    fix: [
      'allow it: kubectl create clusterrolebinding issuer-discovery --clusterrole=system:service-account-issuer-discovery --group=system:unauthenticated',
    ],
  })
}

function issuerNotPublic(issuer: string): string {
  return `The keys of the cluster's issuer ${issuer} cannot be read without credentials, so tokens of pods cannot be verified`
}

/** The address from which this machine would send to `address`. connect(2) on a datagram socket looks up the route and sends nothing. */
async function localAddressTowards(address: string): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.connect(9, address)
    await once(socket, 'connect')
    return socket.address().address
  } catch (cause) {
    throw new CliError({
      what: `This machine has no route to the node ${address}`,
      why: errorMessage(cause),
      fix: ['name the address at which pods reach this machine: --listen ADDRESS'],
      cause,
    })
  } finally {
    socket.close()
  }
}
