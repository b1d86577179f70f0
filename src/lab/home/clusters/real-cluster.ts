import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createKubeClient, type KubeClient, type KubeConfig, loadKubeconfig, resources } from '#kubernetes/client'
import { errorMessage, ProblemsError } from '#lib'
import { createHttpClient } from '#lib/http'
import { CliError } from '#terminal'
import type { Session } from '../session.ts'
import type { LabState } from '../state/lab-state.ts'
import type { LabCluster } from './lab-cluster.ts'

/** The user's cluster, as a lab uses it. Throws {@link CliError} when it cannot be reached, or not as an administrator. */
export async function realCluster(
  { home, world, terminal }: Session,
  state: LabState,
  path: string,
): Promise<LabCluster> {
  return terminal.step(
    'Cluster',
    async () => {
      const config = readKubeconfig(path, world.env)
      const kube = createKubeClient(config)
      try {
        const [issuer, node] = await Promise.all([readIssuer(kube), firstNodeAddress(kube)])
        if (state.azure === 'local') await assertIssuerIsPublic(issuer, config.ca)
        if (config.ca !== undefined) writeFileSync(home.clusterCa, config.ca)
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
      } finally {
        kube.close()
      }
    },
    ({ server, issuer }) => `${server}, issuer ${issuer}`,
  )
}

/**
 * Entra fetches an issuer's keys without credentials; so does the local Azure, from this machine. Throws {@link CliError}
 * when that cannot work, before anything is installed.
 */
async function assertIssuerIsPublic(issuer: string, ca: string | undefined): Promise<void> {
  const http = createHttpClient(ca === undefined ? {} : { extraCa: ca })
  const what = `The cluster's issuer ${issuer} gives its keys to nobody, so no token of a pod could be verified`
  const read = async (url: URL): Promise<string> => {
    const { status, body } = await http.send({ url, headers: { accept: 'application/jwk-set+json, application/json' } })
    if (status === 200) return body.toString('utf8')
    throw new CliError({
      what,
      why: `GET ${url} without credentials answers ${status}`,
      fix: [
        'allow it: kubectl create clusterrolebinding issuer-discovery --clusterrole=system:service-account-issuer-discovery --group=system:unauthenticated',
      ],
    })
  }
  try {
    const discovery = await read(new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`))
    await read(new URL((JSON.parse(discovery) as { jwks_uri: string }).jwks_uri))
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError({
      what,
      why: errorMessage(cause),
      fix: [
        `give the API server an issuer that this machine can reach: --service-account-issuer=https://ADDRESS:PORT (kind: kubeadmConfigPatches, apiServer.extraArgs)`,
      ],
      cause,
    })
  } finally {
    http.stop()
  }
}

/** The kubeconfig is not there, or names no cluster. */
export class KubeconfigError extends CliError {}

/** Throws {@link KubeconfigError}. */
export function readKubeconfig(path: string, env: NodeJS.ProcessEnv): KubeConfig {
  try {
    return loadKubeconfig(path, { environment: env })
  } catch (cause) {
    throw new KubeconfigError({
      what: `The kubeconfig ${path} cannot be used`,
      why: cause instanceof ProblemsError ? cause.message : errorMessage(cause),
      fix: ['name another: --kubeconfig FILE'],
      cause,
    })
  }
}

/** https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery */
async function readIssuer(kube: KubeClient): Promise<string> {
  const text = await kube.raw({ method: 'GET', path: '/.well-known/openid-configuration' })
  return (JSON.parse(text) as { issuer: string }).issuer
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

/** The address from which this machine would send to `address`: connect(2) on a datagram socket asks the routes, and sends nothing. */
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
      fix: ['say where pods reach this machine: --listen ADDRESS'],
      cause,
    })
  } finally {
    socket.close()
  }
}
