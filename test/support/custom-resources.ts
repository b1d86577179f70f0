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

/** The SecretSync kind. */
export const secretSyncDefinition = parse(
  readFileSync(join(files, 'sync-crds/secretsyncs.yaml'), 'utf8'),
) as UntypedObject
