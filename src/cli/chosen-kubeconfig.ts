import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { LabHome } from '#lab/home'
import { findLocalCluster, readLabState } from '#lab/home'
import type { CliWorld } from '#terminal'
import { CliError } from '#terminal'

/**
 * The kubeconfig of a command that works on any cluster with Keymount: what the option names, what KUBECONFIG names, the
 * cluster of the lab if that is up, and else kubectl's own default. Throws {@link CliError} when there is none of them.
 */
export function chosenKubeconfig(world: CliWorld, home: LabHome, option: string | undefined): string {
  if (option !== undefined) return resolve(option)
  // kubectl merges a list of files; its first one is enough for us.
  const variable = world.env.KUBECONFIG?.split(':').find((path) => path !== '')
  if (variable !== undefined) return variable
  const state = readLabState(home)
  const ofLab = state?.target.kind === 'kubeconfig' ? state.target.path : findLocalCluster(home)?.kubeconfig
  if (ofLab !== undefined) return ofLab
  const usual = join(world.userHome, '.kube/config')
  if (existsSync(usual)) return usual
  throw new CliError({
    what: 'No cluster to work on',
    why: `the lab in ${home.root} is not up, KUBECONFIG is not set, and there is no ${usual}`,
    fix: ['name it: --kubeconfig FILE', 'or start the lab: keymount up'],
  })
}
