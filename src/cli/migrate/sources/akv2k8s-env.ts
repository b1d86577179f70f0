import { type Manifest, type Path, podManifest } from '#azure/lint'
import { listOf, stringOf, valueAt } from '#lib/formats'
import type { Input } from '../input.ts'

/** An environment variable whose value akv2k8s replaces. */
export interface EnvUse {
  pod: Manifest
  /** Of the entry of `env`. */
  path: Path
  variable: string
  /** Name of the AzureKeyVaultSecret. */
  name: string
  /** Behind `?`; empty for none. */
  query: string
  account: string
}

const reference = /^([a-zA-Z0-9](?:[a-zA-Z0-9-]{0,239}[a-zA-Z0-9])?)@azurekeyvault(?:\?([a-zA-Z_][a-zA-Z0-9_.]*)?)?$/

/** The variables of a pod that name objects of akv2k8s. */
export function envUses(manifest: Manifest): EnvUse[] {
  const pod = podManifest(manifest)
  if (pod === undefined) return []
  return pod.containers.flatMap(({ path, value }) =>
    (listOf(value.env) ?? []).flatMap((one, index): EnvUse[] => {
      const match = reference.exec(stringOf(valueAt(one, 'value')) ?? '')
      if (match === null) return []
      const variable = stringOf(valueAt(one, 'name')) ?? ''
      const [, name = '', query = ''] = match
      return [{ pod: manifest, path: [...path, 'env', index], variable, name, query, account: pod.account }]
    }),
  )
}

const known = new WeakMap<Input, Map<string, EnvUse[]>>()

/** The variables of all pods that name this object. */
export function usesOf(input: Input, { name, namespace }: Manifest): readonly EnvUse[] {
  let index = known.get(input)
  if (index === undefined) {
    index = new Map()
    for (const use of input.manifests.flatMap(envUses)) {
      const found = index.get(use.name)
      if (found === undefined) index.set(use.name, [use])
      else found.push(use)
    }
    known.set(input, index)
  }
  const mayShare = (other: string) => other === namespace || other === '' || namespace === ''
  return (index.get(name) ?? []).filter(({ pod }) => mayShare(pod.namespace))
}
