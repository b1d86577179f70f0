import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type KubeClient, resources, type UntypedObject } from '#kubernetes/client'

const files = join(import.meta.dirname, '../../charts/keymount/files')
const directory = join(files, 'crds')

/** The product's CustomResourceDefinitions, as the chart installs them. */
export const customResourceDefinitions: readonly UntypedObject[] = readdirSync(directory)
  .toSorted()
  .map((name) => parse(readFileSync(join(directory, name), 'utf8')) as UntypedObject)

/** What an API server must know before a driver starts. */
export async function createDefinitions(kube: KubeClient): Promise<void> {
  for (const definition of customResourceDefinitions) {
    await kube.create(resources.customResourceDefinitions, definition)
  }
}

/** The SecretSync kind, for the local cluster. */
export const secretSyncDefinition = withoutRules(
  parse(readFileSync(join(files, 'sync-crds/secretsyncs.yaml'), 'utf8')),
) as UntypedObject

/** The local cluster refuses rules in CEL, which it cannot evaluate; the controller checks the same. */
function withoutRules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRules)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== 'x-kubernetes-validations')
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutRules(inner)]))
}
