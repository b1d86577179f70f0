import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type Clock, errorCode, type Log, lockDirectory, type Running } from '../../lib/index.ts'
import type { NodeRuntime } from '../node-runtime.ts'
import { writeKubeconfig } from './access/kubeconfig.ts'
import { openPki } from './access/pki.ts'
import { seed } from './access/seed.ts'
import { createServiceAccountTokens } from './access/service-account-tokens.ts'
import type { ApiContext } from './http/api-call.ts'
import { handleRequest, handleUpgrade } from './http/router.ts'
import { createCatalog } from './kinds/catalog.ts'
import { createObjects } from './objects/objects.ts'
import { openStore } from './objects/store.ts'

export interface ApiServerOptions {
  /** Directory of keys, objects and kubeconfigs. */
  stateDir: string
  /** Address to listen on. */
  listen: string
  /** 0 takes a free one. */
  port: number
  /** Name of the one node: its agent gets a certificate of this name. */
  nodeName: string
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
  /** What in-process controllers work on. */
  context: ApiContext
  /** From now on logs and exec go to this node agent. */
  attachNode(runtime: NodeRuntime): void
}

/** Starts the API server. Rejects when the state is damaged or in use, or the port is taken. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const lock = await lockDirectory(options.stateDir)
  try {
    return await serve(options, lock)
  } catch (error) {
    await lock.stop()
    throw startError(error, options)
  }
}

async function serve(
  { stateDir, listen, port, nodeName, clock, log }: ApiServerOptions,
  lock: Running,
): Promise<ApiServer> {
  const pki = await openPki(join(stateDir, 'pki'))
  const { certificate, privateKey } = await pki.issueServer([listen])
  // A client without certificate or with one of another CA gets a Kubernetes answer, not a TLS alert.
  const tls = { cert: certificate, key: privateKey, ca: pki.ca, requestCert: true, rejectUnauthorized: false }
  const server = createServer(tls)
  const store = openStore({ file: join(stateDir, 'objects.jsonl') })
  server.listen(port, listen)
  await once(server, 'listening').catch((error) => {
    store.close()
    throw error
  })
  const url = `https://${listen}:${(server.address() as AddressInfo).port}`
  const stopping = new AbortController()
  let node: NodeRuntime | undefined
  const context: ApiContext = {
    store,
    catalog: createCatalog(store),
    objects: createObjects({ store, clock }),
    tokens: createServiceAccountTokens({ issuer: url, key: pki.serviceAccountKey, store, clock }),
    clock,
    log,
    runtime: () => node,
    signal: stopping.signal,
  }
  seed(context)
  server.on(
    'request',
    (request: IncomingMessage, response: ServerResponse) => void handleRequest(context, request, response),
  )
  server.on(
    'upgrade',
    (request: IncomingMessage, socket: Duplex, head: Buffer) => void handleUpgrade(context, request, socket, head),
  )

  const kubeconfig = join(stateDir, 'kubeconfig')
  const nodeKubeconfig = join(stateDir, 'node.kubeconfig')
  const admin = await pki.issueClient('kubernetes-admin', ['system:masters'])
  const agent = await pki.issueClient(`system:node:${nodeName}`, ['system:nodes'])
  writeKubeconfig(kubeconfig, { server: url, ca: pki.ca, user: 'kubernetes-admin', credentials: admin })
  writeKubeconfig(nodeKubeconfig, { server: url, ca: pki.ca, user: `system:node:${nodeName}`, credentials: agent })
  return {
    url,
    ca: pki.ca,
    kubeconfig,
    nodeKubeconfig,
    context,
    attachNode: (runtime) => {
      node = runtime
    },
    async stop() {
      if (stopping.signal.aborted) return
      stopping.abort()
      const closed = once(server, 'close')
      server.close()
      // Watches have ended by the signal; what is left are idle connections and requests in flight.
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), 1_000).unref()
      await closed
      store.close()
      await lock.stop()
    },
  }
}

function startError(error: unknown, { stateDir, listen, port }: ApiServerOptions): unknown {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new Error(
        `Cannot listen on ${listen}:${port}: the port is in use. Stop what uses it, or choose another with --port`,
        { cause: error },
      )
    case 'ENOSPC':
      return new Error(`Cannot write to ${stateDir}: no space left on the device`, { cause: error })
    default:
      return error
  }
}
