import { isAbsolute, join, resolve } from 'node:path'
import type { CliWorld } from '#terminal'
import { CliError, exitCodes } from '#terminal'
import { type LabHome, labHome } from './lab-home.ts'
import type { LabState } from './lab-state.ts'

/** The options of `up` as the user gave them; what is absent keeps its value from the last `up`, or takes the default. */
export interface UpOptions {
  kubeconfig?: string
  azure?: 'local' | 'real'
  listen?: string
  port?: number
  azurePort?: number
  imdsPort?: number
  ports?: 'free' | 'fixed'
  image?: string
  kubeletRoot?: string
  rotationPollInterval?: string
  syncFrequency?: string
  caching?: 'on' | 'off'
  secretSync?: boolean
}

export const defaultPorts = { cluster: 16_443, azure: 18_443, imds: 18_169 } as const

/** The home that `--home`, `KEYMOUNT_HOME` or the default names. */
export function chosenHome(world: CliWorld, option: string | undefined): LabHome {
  const { KEYMOUNT_HOME: variable } = world.env
  const named = option ?? (variable === '' ? undefined : variable)
  return labHome(named === undefined ? join(world.userHome, '.keymount') : resolve(named))
}

/** What the next lab of this home will be. */
export function wantedState(options: UpOptions, previous: LabState | undefined): LabState {
  const target = wantedTarget(options, previous)
  refuseMisfits(options, target)
  const before = previous?.target.kind === target.kind ? previous : undefined
  const listen = options.listen ?? before?.listen ?? (target.kind === 'local' ? '127.0.0.1' : '')
  return {
    ...before,
    version: 1,
    target,
    azure: options.azure ?? before?.azure ?? 'local',
    listen,
    ports: wantedPorts(options, before),
    ...((options.secretSync ?? before?.secretSync) === true ? { secretSync: true } : {}),
    ...definedOnly({
      rotationPollInterval: options.rotationPollInterval ?? before?.rotationPollInterval,
      syncFrequency: options.syncFrequency ?? before?.syncFrequency,
      caching: options.caching ?? before?.caching,
      image: options.image ?? before?.image,
      kubeletRoot: options.kubeletRoot ?? before?.kubeletRoot,
    }),
  }
}

function wantedTarget({ kubeconfig }: UpOptions, previous: LabState | undefined): LabState['target'] {
  if (kubeconfig !== undefined) {
    return { kind: 'kubeconfig', path: isAbsolute(kubeconfig) ? kubeconfig : resolve(kubeconfig) }
  }
  return previous?.target ?? { kind: 'local' }
}

/** Options that have no meaning for the chosen cluster are an error, not silently without effect. */
function refuseMisfits(options: UpOptions, target: LabState['target']): void {
  const onlyLocal = { '--port': options.port, '--sync-frequency': options.syncFrequency }
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
        ? 'it is for a real cluster, which --kubeconfig names'
        : `it is for the embedded cluster, and this lab uses the cluster of ${target.path}`,
    exitCode: exitCodes.usage,
  })
}

/** Free ports are remembered, because the port of the cluster is part of its issuer and so of every federated credential. */
function wantedPorts(options: UpOptions, before: LabState | undefined): LabState['ports'] {
  const fallback = options.ports === 'free' ? { cluster: 0, azure: 0, imds: 0 } : defaultPorts
  const kept = options.ports === 'fixed' ? defaultPorts : (before?.ports ?? fallback)
  return {
    cluster: options.port ?? kept.cluster,
    azure: options.azurePort ?? kept.azure,
    imds: options.imdsPort ?? kept.imds,
  }
}

/** The values that are there. */
function definedOnly<T extends Record<string, string | undefined>>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
