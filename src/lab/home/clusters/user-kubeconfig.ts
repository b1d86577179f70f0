import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { errorCode } from '#lib'
import { CliError } from '#terminal'
import type { LabHome } from '../state/lab-home.ts'
import { primaryName } from './primary-cluster.ts'

const named = z.array(z.looseObject({ name: z.string() })).nullish()
const kubeconfigSchema = z.looseObject({
  clusters: named,
  users: named,
  contexts: named,
  'current-context': z.string().nullish(),
})
type Kubeconfig = z.infer<typeof kubeconfigSchema>

/**
 * Brings the kubeconfig that `keymount env` points at up to date with the lab's own cluster. The file is the user's to
 * change: `az aks get-credentials` merges further clusters into it, and `kubectl config use-context` chooses among them.
 * What the lab itself reads is the cluster's own file.
 *
 * Throws {@link CliError} when the file is there and is no kubeconfig.
 */
export function updateUserKubeconfig(home: LabHome, clusterKubeconfig: string): void {
  const own = asManagedCluster(parse(readFileSync(clusterKubeconfig, 'utf8')) as Kubeconfig)
  const before = readKubeconfig(home.kubeconfig)
  const merge = (field: 'clusters' | 'users' | 'contexts') => {
    const ours = own[field] ?? []
    const others = (before?.[field] ?? []).filter(({ name }) => !ours.some((each) => each.name === name))
    return [...ours, ...others]
  }
  const contexts = merge('contexts')
  const chosen = contexts.find(({ name }) => name === before?.['current-context'])
  const merged = {
    ...before,
    ...{ apiVersion: 'v1', kind: 'Config' },
    ...{ clusters: merge('clusters'), users: merge('users'), contexts },
    'current-context': chosen?.name ?? primaryName,
  }
  writeFileSync(`${home.kubeconfig}.next`, stringify(merged), { mode: 0o600 })
  renameSync(`${home.kubeconfig}.next`, home.kubeconfig)
}

/** With the names that `az aks get-credentials` gives it, so that nothing is there twice. */
function asManagedCluster({ clusters, users }: Kubeconfig): Kubeconfig {
  const name = primaryName
  const user = `clusterUser_${primaryName}_${primaryName}`
  return {
    clusters: (clusters ?? []).map((each) => ({ ...each, name })),
    users: (users ?? []).map((each) => ({ ...each, name: user })),
    contexts: [{ name, context: { cluster: name, user } }],
  }
}

function readKubeconfig(path: string): Kubeconfig | undefined {
  try {
    return kubeconfigSchema.parse(parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw new CliError({ what: `${path} is no kubeconfig`, fix: ['move it away: "keymount up" writes another'], cause })
  }
}
