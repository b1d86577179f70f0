import { readFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { errorCode } from '#lib'
import { replaceFile } from '#lib/files'
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
 * Updates the lab's own cluster in the kubeconfig of `keymount env`. Users change that file too: `az aks get-credentials`
 * adds clusters to it, and `kubectl config use-context` selects one. The lab itself reads the cluster's own file.
 *
 * Throws {@link CliError} if the file exists and is not a kubeconfig.
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
  replaceFile(home.kubeconfig, stringify(merged))
}

/** With the names that `az aks get-credentials` uses, so that it does not add the cluster a second time. */
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
    throw new CliError({
      what: `${path} is not a kubeconfig`,
      fix: [`move it away, and a new one is written: mv ${path} ${path}.broken`],
      cause,
    })
  }
}
