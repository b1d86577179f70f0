import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type RegistrationServer, RegistrationService } from '#kubernetes/csi'
import { createUnary, startGrpcServer } from '#kubernetes/grpc'
import { type Clock, errorMessage, type Log, type Running } from '#lib'

export interface RegistrationOptions {
  driverName: string
  /** kubelet's plugins_registry directory, as seen from here. */
  directory: string
  /** Path of the CSI socket, as kubelet sees it. */
  kubeletPath: string
  clock: Clock
  log: Log
}

export type RegistrationState =
  /** There is no registration directory: somebody else (a registrar beside us) registers the driver. */
  | { kind: 'elsewhere' }
  | { kind: 'waiting'; since: number }
  | { kind: 'registered' }
  | { kind: 'refused'; reason: string }

export interface Registration extends Running {
  state(): RegistrationState
}

/** How often we look whether our socket is still there, in milliseconds. A kubelet that starts anew may empty the directory. */
const lookMs = 2000

/**
 * Tells kubelet of the driver, which a sidecar does elsewhere: kubelet watches a directory for sockets, asks each who it is
 * and then speaks to the CSI socket itself. https://kubernetes.io/docs/reference/node/device-plugin-and-csi-registration
 */
export function startRegistration(options: RegistrationOptions): Registration {
  const { driverName, directory, kubeletPath, clock, log } = options
  const path = join(directory, `${driverName}-reg.sock`)
  let state: RegistrationState = { kind: 'waiting', since: clock.now() }
  let server: { running: Running; inode: number | undefined } | undefined
  let stopped = false
  let cancelTimer = () => {}
  let looking = Promise.resolve()

  const unary = createUnary({ log })
  const service: RegistrationServer = {
    getInfo: unary('GetInfo', () => ({
      type: 'CSIPlugin',
      name: driverName,
      endpoint: kubeletPath,
      supportedVersions: ['1.0.0'],
    })),
    notifyRegistrationStatus: unary('NotifyRegistrationStatus', ({ pluginRegistered, error }) => {
      state = pluginRegistered ? { kind: 'registered' } : { kind: 'refused', reason: error }
      if (pluginRegistered) log.info({ endpoint: kubeletPath }, 'registered with kubelet')
      else log.error({ endpoint: kubeletPath }, `kubelet refused the registration, offering it again: ${error}`)
      return {}
    }),
  }

  async function look(): Promise<void> {
    if (!existsSync(directory)) {
      if (state.kind !== 'elsewhere')
        log.info({ directory }, 'no registration directory: the driver is registered by somebody else')
      state = { kind: 'elsewhere' }
      return
    }
    const inode = inodeOf(path)
    // kubelet asks a socket only when it appears: after a refusal the socket has to appear anew.
    const lost = inode === undefined || inode !== server?.inode
    if (server !== undefined && !lost && state.kind !== 'refused') return
    if (server !== undefined) {
      log.warn({ directory }, 'registering with kubelet again')
      await server.running.stop()
      server = undefined
    }
    state = { kind: 'waiting', since: clock.now() }
    const running = await startGrpcServer(
      { kind: 'unix', path },
      (grpc) => grpc.addService(RegistrationService, service),
      { log },
    )
    server = { running, inode: inodeOf(path) }
  }

  function loop(): void {
    looking = look()
      .catch((error: unknown) => log.error({ directory }, `cannot register with kubelet: ${errorMessage(error)}`))
      .then(() => {
        if (!stopped) cancelTimer = clock.after(lookMs, loop)
      })
  }

  loop()
  return {
    state: () => state,
    async stop() {
      stopped = true
      cancelTimer()
      await looking
      await server?.running.stop()
    },
  }
}

/** Undefined when nothing is there, which may be so a moment after it was made. */
function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino
}
