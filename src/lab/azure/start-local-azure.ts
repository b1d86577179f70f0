import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Clock, type Log, type Running, silentLog, systemClock } from '#lib'
import { makeDirectories } from '#lib/files'
import type { ClusterBackend } from './arm/container-service/cluster-backend.ts'
import { openCertificateAuthority } from './certificates/certificate-authority.ts'
import { createLeafCertificates } from './certificates/leaf-certificates.ts'
import { createServices } from './create-services.ts'
import { writeCredentialsFile } from './credentials-file.ts'
import { createEventFeed } from './events/event-feed.ts'
import { createDispatch } from './http/dispatch.ts'
import type { Service } from './http/service.ts'
import { imdsHost } from './imds/routes.ts'
import { startImdsServer } from './imds/server.ts'
import { cloud } from './proxy/clouds.ts'
import { type ConnectProxy, startConnectProxy } from './proxy/connect-proxy.ts'
import { createFrontDoor } from './proxy/front-door.ts'
import { type OtherSite, servicesOfSites } from './proxy/other-sites.ts'
import { type Forwarding, routeOfOther, serviceOfHost } from './proxy/served-hosts.ts'
import { openRecordStore } from './records/record-store.ts'
import { startControlServer } from './traffic/control-server.ts'
import { createTraffic, type Traffic } from './traffic/traffic.ts'

export interface LocalAzureOptions {
  /** Directory of everything that outlives the process; created with mode 0700. One process at a time may use it. */
  stateDir: string
  /** Address to listen on. Default `127.0.0.1`. */
  listen?: string | undefined
  /** Port of the proxy. Default 0, which takes a free one. */
  port?: number | undefined
  /** Port of IMDS, on the same address. Default 0, which takes a free one. */
  imdsPort?: number | undefined
  /** PEM files with the authorities of outside token issuers. Read when keys are fetched, so they may be created later. */
  issuerCaFiles?: readonly string[] | undefined
  /** Delay of every response, in milliseconds. Default 0; changed through the control socket. */
  delayMs?: number | undefined
  /** Runs managed clusters. Default: none, so that they cannot be created. */
  clusterBackend?: ClusterBackend | undefined
  /** Public hosts outside of Azure that the proxy serves too. Default: none. */
  sites?: readonly OtherSite[] | undefined
  /** Forwards connections to other hosts, through the machine's own proxy where it has one. Default: they are refused. */
  forwarding?: Forwarding
  clock?: Clock | undefined
  log?: Log | undefined
}

export interface LocalAzure extends Running {
  /** For `HTTPS_PROXY`. */
  readonly proxyUrl: string
  /** IMDS, for `AZURE_POD_IDENTITY_AUTHORITY_HOST`. */
  readonly imds: string
  /** The lab's certificate authority, as a PEM file. */
  readonly caFile: string
  /** JSON file with the administrator's credentials. */
  readonly credentialsFile: string
  /** Unix socket for delays, faults and counters. */
  readonly controlSocket: string
}

/** Starts the local Azure. Throws, and leaves nothing running, when the state cannot be read or a port is taken. */
export async function startLocalAzure(options: LocalAzureOptions): Promise<LocalAzure> {
  const { stateDir, listen = '127.0.0.1', port = 0, imdsPort = 0, issuerCaFiles = [], delayMs = 0 } = options
  const { clusterBackend, sites = [], forwarding, clock = systemClock, log = silentLog } = options
  const paths = pathsOf(stateDir)
  makeDirectories(stateDir, 0o700)
  await using started = new AsyncDisposableStack()

  let proxy: ConnectProxy | undefined
  let services: Services | undefined
  const feed = createEventFeed()
  const traffic = createTraffic({ delayMs, onUnreachable: (host) => proxy?.cut(host), clock })
  const hosts = hostsOf(sites, () => services)
  // First, because it refuses to start next to a running process, before the state of that one is touched.
  const control = await startControlServer({
    path: paths.control,
    traffic,
    operations: () => (services === undefined ? [] : operationNames(services)),
    vaults: () => services?.vaults.all().map(({ name }) => name) ?? [],
    feed,
    eventGrid: () => services?.eventGrid,
    bindingTokens: () => services?.bindingTokens,
    isServed: (host) => host === imdsHost || hosts.isServed(host),
  })
  started.defer(() => control.stop())

  const store = openRecordStore(paths.state)
  started.defer(() => store.close())
  const authority = await openCertificateAuthority(stateDir)
  const server = { listen, traffic, clock, log }
  services = await createServices({
    store,
    issuerCaFiles,
    clusterBackend,
    listenImds: (port, service) => startImds(server, port, service),
    feed,
    hasFault: (host) => traffic.faultOf(host) !== undefined,
    clock,
    log,
  })
  started.defer(services.stop)
  writeCredentialsFile(paths.credentials, services.tenant)

  const frontDoor = createFrontDoor({
    certificateFor: createLeafCertificates(authority),
    answer: createDispatch({ traffic, clock, log, serviceFor: hosts.serviceFor }),
    log,
  })
  proxy = await startConnectProxy({
    listen,
    port,
    routeOf: (host) =>
      hosts.isServed(host) ? { kind: 'served' } : routeOfOther(cloud, host, hosts.others, forwarding),
    isUnreachable: (host) => traffic.faultOf(host)?.kind === 'unreachable',
    onTunnel: frontDoor.accept,
  })
  const { port: proxyPort, stop: stopProxy } = proxy
  started.defer(async () => {
    frontDoor.stop()
    await stopProxy()
  })
  const imds = await startImds(server, imdsPort, services.imds)
  started.defer(() => imds.stop())

  const running = started.move()
  return {
    proxyUrl: urlOf(listen, proxyPort),
    imds: imds.url,
    caFile: authority.caFile,
    credentialsFile: paths.credentials,
    controlSocket: paths.control,
    stop: () => running.disposeAsync(),
  }
}

type Services = Awaited<ReturnType<typeof createServices>>

function pathsOf(stateDir: string) {
  return {
    state: join(stateDir, 'state.jsonl'),
    credentials: join(stateDir, 'credentials.json'),
    control: join(stateDir, 'control.sock'),
  }
}

/** The hosts of Azure and of other sites. @param services undefined until they have started. */
function hostsOf(sites: readonly OtherSite[], services: () => Services | undefined) {
  const others = servicesOfSites(sites)
  return {
    others: [...others.keys()],
    isServed: (host: string) => serviceOfHost(cloud, host) !== undefined || others.has(host),
    serviceFor(host: string): Service | undefined {
      const name = serviceOfHost(cloud, host)
      return name === undefined ? others.get(host) : services()?.services[name]
    },
  }
}

function operationNames({ services, imds }: Services): string[] {
  const all = [...Object.values(services), imds]
  return [...new Set(all.flatMap(({ operations }) => operations.map(({ operation }) => operation)))].sort()
}

async function startImds(
  { listen, ...around }: { listen: string; traffic: Traffic; clock: Clock; log: Log },
  port: number,
  service: Service,
) {
  const answer = createDispatch({ ...around, hostOf: () => imdsHost, serviceFor: () => service })
  const server = await startImdsServer({ listen, port, answer })
  return { ...server, url: urlOf(listen, server.port) }
}

/** The URL for this machine's clients of a server on `address`; 0.0.0.0 and :: include loopback. */
function urlOf(address: string, port: number): string {
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address] ?? address
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}
