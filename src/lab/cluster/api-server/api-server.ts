import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { type Clock, errorCode, type Log, type Running } from '#lib'
import { lockDirectory } from '#lib/files'
import { listenOrAdvise } from '#lib/http'
import type { NodeRuntime } from '../node-runtime.ts'
import { writeKubeconfig } from './access/kubeconfig.ts'
import { openPki, type Pki } from './access/pki.ts'
import { seed } from './access/seed.ts'
import { createServiceAccountTokens } from './access/service-account-tokens.ts'
import { createAdmission } from './admission/admission.ts'
import type { ConnectToPod } from './admission/ask-webhook.ts'
import type { ApiContext } from './http/api-call.ts'
import { handleRequest, handleUpgrade } from './http/router.ts'
import { createCatalog } from './kinds/catalog.ts'
import { createObjects } from './objects/objects.ts'
import { openStore } from './objects/store.ts'
import { createTokenProxy, type TokenProxy } from './token-proxy/token-proxy.ts'

export interface ApiServerOptions {
  /** Directory of keys, objects and kubeconfigs. */
  stateDir: string
  /** Address to listen on. */
  listen: string
  /** 0 takes a free one. */
  port: number
  /** Name of the one node: its agent gets a certificate of this name. */
  nodeName: string
  /** Longest time for a request to arrive, and for a client to read nothing of its answer, in milliseconds. Default 60,000. */
  clientTimeoutMs?: number | undefined
  /** Control socket of a local Azure. With it, there is a token proxy for the identity bindings that this Azure has. */
  azureControl?: string | undefined
  /** A connection to a pod, where pods have networks of their own. */
  connectToPod?: ConnectToPod | undefined
  clock: Clock
  log: Log
}

export interface ApiServer extends Running {
  /** `https://ADDRESS:PORT`: also the issuer of service account tokens. */
  url: string
  /** PEM of the cluster's CA. */
  ca: string
  /** File of the administrator's kubeconfig (group system:masters). */
  kubeconfig: string
  /** File of the node agent's kubeconfig (user system:node:NAME). */
  nodeKubeconfig: string
  /** TLS server name of the token proxy; undefined without one. */
  tokenProxyName: string | undefined
  /** For the controllers, which run in this process. */
  context: ApiContext
  /** Sends logs and exec to this node agent from now on. */
  attachNode(runtime: NodeRuntime): void
}

/** Starts the API server. Rejects, and leaves nothing running, when the state is damaged or in use, or the port is taken. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  try {
    return await start(options)
  } catch (error) {
    throw startError(error, options)
  }
}

async function start(options: ApiServerOptions): Promise<ApiServer> {
  const { stateDir, nodeName, azureControl, connectToPod, clock, log } = options
  await using started = new AsyncDisposableStack()
  const lock = await lockDirectory(stateDir)
  started.defer(() => lock.stop())
  const pki = await openPki(join(stateDir, 'pki'))
  const store = openStore({ file: join(stateDir, 'objects.jsonl') })
  started.defer(() => store.close())
  const objects = createObjects({ store, clock })
  seed(store, objects)
  const catalog = createCatalog(store)
  const stopping = new AbortController()
  const tokenProxy = azureControl === undefined ? undefined : await createTokenProxy(pki, azureControl)
  const { server, url, stop } = await serveTls(options, pki, tokenProxy)
  started.defer(stop)
  // Ends watches and streams.
  started.defer(() => stopping.abort())

  let node: NodeRuntime | undefined
  const context: ApiContext = {
    bodies: { inFlight: 0 },
    store,
    objects,
    clock,
    log,
    tokens: createServiceAccountTokens({ issuer: url, key: pki.serviceAccountKey, store, clock }),
    admission: createAdmission({ store, catalog, connectToPod, log }),
    catalog,
    runtime: () => node,
    signal: stopping.signal,
  }
  server.on('request', (request, response) => {
    if (tokenProxy?.isFor(request) === true) void tokenProxy.handle(context, request, response)
    else void handleRequest(context, request, response)
  })
  server.on('upgrade', (request, socket, head) => void handleUpgrade(context, request, socket, head))

  const writeConfig = async (file: string, user: string, group: string) => {
    const path = join(stateDir, file)
    writeKubeconfig(path, { server: url, ca: pki.ca, user, credentials: await pki.issueClient(user, [group]) })
    return path
  }
  const kubeconfig = await writeConfig('kubeconfig', 'kubernetes-admin', 'system:masters')
  const nodeKubeconfig = await writeConfig('node.kubeconfig', `system:node:${nodeName}`, 'system:nodes')
  const running = started.move()
  return {
    url,
    ca: pki.ca,
    kubeconfig,
    nodeKubeconfig,
    tokenProxyName: tokenProxy?.name,
    context,
    attachNode: (runtime) => {
      node = runtime
    },
    stop: () => running.disposeAsync(),
  }
}

const handshakeTimeoutMs = 10_000
const maxConnections = 2_000

async function serveTls(
  { listen: address, port, clientTimeoutMs = 60_000 }: ApiServerOptions,
  pki: Pki,
  tokenProxy: TokenProxy | undefined,
) {
  const names = tokenProxy === undefined ? [address] : [address, tokenProxy.apiServerName]
  const { certificate, privateKey } = await pki.issueServer(names)
  const server = createServer({
    cert: certificate,
    key: privateKey,
    ca: pki.ca,
    SNICallback: (servername, answer) => answer(null, tokenProxy?.context(servername)),
    // A client without a certificate, or with one of another CA, gets a Kubernetes answer instead of a TLS alert.
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
    headersTimeout: clientTimeoutMs,
    requestTimeout: clientTimeoutMs,
    connectionsCheckingInterval: Math.min(clientTimeoutMs, 10_000),
  })
  server.maxConnections = maxConnections
  server.on('request', (_, response) => closeWhenUnread(response, clientTimeoutMs))
  const { port: taken, stop } = await listenOrAdvise(server, { host: address, port }, { flag: '--port', drainMs: 1000 })
  const host = isIPv6(address) ? `[${address}]` : address
  return { server, url: `https://${host}:${taken}`, stop }
}

/** Closes a connection whose client reads nothing of an answer that waits for it. A quiet watch has nothing to be read. */
function closeWhenUnread(response: ServerResponse, timeoutMs: number): void {
  response.setTimeout(timeoutMs, () => {
    if (response.writableLength > 0) response.destroy()
  })
}

function startError(error: unknown, { stateDir }: ApiServerOptions): unknown {
  if (errorCode(error) !== 'ENOSPC') return error
  return new Error(`Cannot write to ${stateDir}: no space left on the device`, { cause: error })
}
