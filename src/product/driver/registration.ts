import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type RegistrationServer, RegistrationService } from '#kubernetes/csi'
import { createUnary, startGrpcServer } from '#kubernetes/grpc'
import type { NodeSockets } from '#kubernetes/sockets'
import { type Clock, errorMessage, type Log, type Running, repeat } from '#lib'

export interface RegistrationOptions {
  driverName: string
  /** kubelet's plugins_registry directory, as seen from here. */
  directory: string
  /** Path of the CSI socket, as kubelet sees it. */
  kubeletPath: string
  sockets: NodeSockets
  clock: Clock
  log: Log
}

export type RegistrationState =
  /** There is no registration directory: a registrar next to the driver registers it. */
  | { kind: 'elsewhere' }
  /** @property since by `clock.elapsed()`. */
  | { kind: 'waiting'; since: number }
  | { kind: 'registered' }
  | { kind: 'refused'; reason: string }

export interface Registration extends Running {
  state(): RegistrationState
}

interface Registrar extends RegistrationOptions {
  /** The socket in kubelet's directory. */
  path: string
  state: RegistrationState
  server: { running: Running; identity: string | undefined } | undefined
}

/** Time between two checks whether the socket is still there, in milliseconds. A kubelet that restarts may empty the directory. */
const checkMs = 2000

/**
 * Registers the driver with kubelet, for which other drivers have a sidecar: kubelet watches a directory for sockets, asks
 * each who it is and then calls the CSI socket itself.
 * https://kubernetes.io/docs/reference/node/device-plugin-and-csi-registration
 */
export function startRegistration(options: RegistrationOptions): Registration {
  const { driverName, directory, clock, log } = options
  const path = join(directory, `${driverName}-reg.sock`)
  const registrar: Registrar = {
    ...options,
    path,
    state: { kind: 'waiting', since: clock.elapsed() },
    server: undefined,
  }
  const checks = repeat(
    async () => {
      await offer(registrar).catch((error: unknown) =>
        log.error({ directory }, `cannot register with kubelet: ${errorMessage(error)}`),
      )
      return checkMs
    },
    { clock },
  )
  return {
    state: () => registrar.state,
    async stop() {
      await checks.stop()
      await registrar.server?.running.stop()
    },
  }
}

/** Offers the driver to kubelet, unless that has been done and holds. */
async function offer(registrar: Registrar): Promise<void> {
  const { directory, path, sockets, clock, log } = registrar
  if (!existsSync(directory)) {
    if (registrar.state.kind !== 'elsewhere')
      log.info({ directory }, 'there is no registration directory: another program registers the driver')
    registrar.state = { kind: 'elsewhere' }
    return
  }
  const identity = sockets.identity(path)
  const isLost = identity === undefined || identity !== registrar.server?.identity
  if (registrar.server !== undefined) {
    if (!isLost && registrar.state.kind !== 'refused') return
    // kubelet asks a socket only when it appears: after a refusal it has to appear again.
    log.warn({ directory }, 'registering with kubelet again')
    await registrar.server.running.stop()
    registrar.server = undefined
  }
  registrar.state = { kind: 'waiting', since: clock.elapsed() }
  const register = registrationService(registrar)
  const running = await startGrpcServer(
    { kind: 'unix', path },
    (server) => server.addService(RegistrationService, register),
    { log, sockets },
  )
  registrar.server = { running, identity: sockets.identity(path) }
}

function registrationService(registrar: Registrar): RegistrationServer {
  const { driverName, kubeletPath, log } = registrar
  const unary = createUnary({ log })
  return {
    getInfo: unary('GetInfo', () => ({
      type: 'CSIPlugin',
      name: driverName,
      endpoint: kubeletPath,
      supportedVersions: ['1.0.0'],
    })),
    notifyRegistrationStatus: unary('NotifyRegistrationStatus', ({ pluginRegistered, error }) => {
      registrar.state = pluginRegistered ? { kind: 'registered' } : { kind: 'refused', reason: error }
      if (pluginRegistered) log.info({ endpoint: kubeletPath }, 'registered with kubelet')
      else log.error({ endpoint: kubeletPath }, `kubelet refused the registration; it is offered again: ${error}`)
      return {}
    }),
  }
}
