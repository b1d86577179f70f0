import { isAbsolute, join, resolve } from 'node:path'
import { CliError, type CliWorld, commandLine } from '#terminal'
import { type LabHome, labHome } from './lab-home.ts'
import type { LabState } from './lab-state.ts'

/** The options of `up` as the user gave them. What is absent keeps its value from the last `up`, or has its default. */
export interface UpOptions {
  kubeconfig?: string | undefined
  azure?: 'local' | 'real' | undefined
  listen?: string | undefined
  port?: number | undefined
  azurePort?: number | undefined
  imdsPort?: number | undefined
  ports?: 'free' | 'fixed' | undefined
  image?: string | undefined
  kubeletRoot?: string | undefined
  rotationPollInterval?: string | undefined
  syncFrequency?: string | undefined
  caching?: 'on' | 'off' | undefined
  secretSync?: boolean | undefined
  sync?: boolean | undefined
  offline?: boolean | undefined
  podNetwork?: boolean | undefined
}

/** As in the help of `up`. */
export const defaultPorts = { cluster: 16_443, azure: 18_443, imds: 18_169 } as const

/** The home of `--home`, of KEYMOUNT_HOME, or the default. */
export function chosenHome(world: Pick<CliWorld, 'env' | 'userHome'>, option: string | undefined): LabHome {
  if (option !== undefined) return labHome(resolve(option), ` --home ${commandLine(resolve(option))}`)
  const { KEYMOUNT_HOME: variable = '' } = world.env
  return labHome(variable === '' ? join(world.userHome, '.keymount') : resolve(variable))
}

/** The state of a home after an `up` with these options. Throws {@link CliError} for options that do not apply. */
export function nextState(options: UpOptions, previous: LabState | undefined): LabState {
  const target = nextTarget(options, previous)
  refuseMisfits(options, target)
  const before = previous?.target.kind === target.kind ? previous : undefined
  return {
    ...before,
    version: 1,
    target,
    azure: options.azure ?? before?.azure ?? 'local',
    listen: options.listen ?? before?.listen ?? (target.kind === 'local' ? '127.0.0.1' : ''),
    ports: nextPorts(options, before),
    secretSync: (options.secretSync ?? before?.secretSync) === true ? true : undefined,
    sync: (options.sync ?? before?.sync) === true ? true : undefined,
    rotationPollInterval: options.rotationPollInterval ?? before?.rotationPollInterval,
    syncFrequency: options.syncFrequency ?? before?.syncFrequency,
    podNetwork: (options.podNetwork ?? before?.podNetwork) === true ? true : undefined,
    caching: options.caching ?? before?.caching,
    offline: (options.offline ?? before?.offline) === true ? true : undefined,
    image: options.image ?? before?.image,
    kubeletRoot: options.kubeletRoot ?? before?.kubeletRoot,
  }
}

function nextTarget({ kubeconfig }: UpOptions, previous: LabState | undefined): LabState['target'] {
  if (kubeconfig !== undefined) {
    return { kind: 'kubeconfig', path: isAbsolute(kubeconfig) ? kubeconfig : resolve(kubeconfig) }
  }
  return previous?.target ?? { kind: 'local' }
}

/** Options that mean nothing for the chosen cluster are an error, rather than silently without effect. */
function refuseMisfits(options: UpOptions, target: LabState['target']): void {
  const onlyLocal = {
    '--port': options.port,
    '--sync-frequency': options.syncFrequency,
    '--pod-network': options.podNetwork,
  }
  const onlyReal = {
    '--image': options.image,
    '--kubelet-root': options.kubeletRoot,
    '--listen': options.listen,
    '--azure real': options.azure === 'real' ? true : undefined,
  }
  const misfits = Object.entries(target.kind === 'local' ? onlyReal : onlyLocal)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name)
  if (misfits.length === 0) return
  throw new CliError({
    what: `${misfits.join(', ')} cannot be used here`,
    why:
      target.kind === 'local'
        ? 'it is only for a real cluster, which --kubeconfig names'
        : `it is only for the local cluster, and this lab uses the cluster of ${target.path}`,
    code: 'usage',
  })
}

/** Ports stay the same, because the port of the cluster is part of its issuer and so of every federated credential. */
function nextPorts(options: UpOptions, before: LabState | undefined): LabState['ports'] {
  const initial = options.ports === 'free' ? { cluster: 0, azure: 0, imds: 0 } : defaultPorts
  const base = options.ports === 'fixed' ? defaultPorts : (before?.ports ?? initial)
  return {
    cluster: options.port ?? base.cluster,
    azure: options.azurePort ?? base.azure,
    imds: options.imdsPort ?? base.imds,
  }
}
