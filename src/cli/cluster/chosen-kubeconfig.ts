import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { chosenHome, findLocalCluster, type LabHome, readLabState } from '#lab/home'
import { CliError, type CliWorld } from '#terminal'
import type { ClusterOption } from '../options.ts'
import { isOfLab } from './is-of-lab.ts'

/**
 * The kubeconfig of a command that works on any cluster with Keymount: that of the option, of KUBECONFIG, of the lab if it
 * is up, and else kubectl's default. Throws {@link CliError} if there is none.
 */
export function chosenKubeconfig({ kubeconfig, home: named }: ClusterOption, world: CliWorld): string {
  if (kubeconfig !== undefined) return resolve(kubeconfig)
  // kubectl merges a list of files; its first file is enough here.
  const variable = world.env.KUBECONFIG?.split(':').find((path) => path !== '')
  if (variable !== undefined) return variable
  const home = chosenHome(world, named)
  const state = readLabState(home)
  const ofLab = state?.target.kind === 'kubeconfig' ? state.target.path : findLocalCluster(home)?.kubeconfig
  if (ofLab !== undefined) return ofLab
  const usual = join(world.userHome, '.kube/config')
  if (existsSync(usual)) return usual
  throw new CliError({
    what: 'There is no cluster to work on',
    why: `the lab in ${home.root} is not up, KUBECONFIG is not set, and there is no ${usual}`,
    fix: ['name one: --kubeconfig FILE', `or start the lab: keymount up${home.option}`],
  })
}

/** The same; undefined if there is none. */
export function kubeconfigIfAny(options: ClusterOption, world: CliWorld): string | undefined {
  return unlessRefused(() => chosenKubeconfig(options, world))
}

/** The lab whose kubeconfig is chosen. A user of other clusters may have a home in which no lab could be. */
export function labOfKubeconfig(options: ClusterOption, world: CliWorld): LabHome | undefined {
  const kubeconfig = kubeconfigIfAny(options, world)
  const home = unlessRefused(() => chosenHome(world, options.home))
  return kubeconfig !== undefined && home !== undefined && isOfLab(kubeconfig, home) ? home : undefined
}

function unlessRefused<T>(choose: () => T): T | undefined {
  try {
    return choose()
  } catch (error) {
    if (error instanceof CliError) return undefined
    throw error
  }
}
