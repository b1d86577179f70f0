import { recordOf, stringOf, valueAt } from '#lib/formats'
import { headComment } from '../comments.ts'
import { classObject, type Draft, editedDraft, syncObject } from '../draft.ts'
import type { Input } from '../input.ts'
import { type KnownFields, reportUnknownFields } from '../known-fields.ts'
import type { MigrateRules } from '../rule.ts'
import { groupOf, kindsOf, type Source } from '../source.ts'
import type { Work } from '../work.ts'

const group = 'secret-sync.x-k8s.io'

const sseRules = {
  KM301: {
    title: 'spread is built in',
    severity: 'info',
    why: 'jitterSeconds spreads the checks. Keymount gives each object its own place in the interval, so that there is no burst to spread.',
    right: 'nothing to do',
  },
  KM302: {
    title: 'labels are a list',
    severity: 'error',
    why: 'Labels and annotations of a SecretSync are mappings; the API server refuses a list.',
    right: 'labels: { NAME: VALUE }',
  },
} as const satisfies MigrateRules

/**
 * Azure’s Secret Store extension for Arc: its SecretSync is the kind that Keymount has; an AKVSync becomes a class and a
 * SecretSync for each object. https://learn.microsoft.com/azure/azure-arc/kubernetes/secret-store-extension-reference
 */
export const sseSource: Source = {
  name: 'sse',
  title: 'Azure Key Vault Secret Store extension (Arc)',
  rules: sseRules,
  kinds: kindsOf(group, ['SecretSync', 'AKVSync']),
  owns: (manifest, only) =>
    groupOf(manifest) === group || (only && manifest.kind === 'SecretProviderClass' && isAzure(manifest.value)),
  notes: [
    'Classes stay as they are, and may have `cloudName` again, which the extension does not accept.',
    'The extension writes the keys it could read (`enablePartialSecretSync`); Keymount writes a Secret whole or not at all. Its interval of an hour is `syncInterval` of the class; `jitterSeconds` has no counterpart, because the spread is built in.',
    'Two controllers must not act on one SecretSync: remove the extension before `sync.enabled=true`, or use `--suffix` and `secretSyncControllerName`.',
  ],
  convert(work, input) {
    const { kind } = work.manifest
    if (kind === 'AKVSync') return convertAkvSync(work, input)
    if (kind === 'SecretSync') return convertSecretSync(work, input)
    if (kind === 'SecretProviderClass') return editedDraft(work, [])
    work.add('KM009', `the kind ${kind}`)
    return undefined
  },
}

function isAzure(value: unknown): boolean {
  return valueAt(value, 'spec', 'provider') === 'azure'
}

/** Also for GKE’s dialect, whose fields are the same. */
export function convertSecretSync(
  work: Work,
  { options }: Input,
  changes: { path: string[]; value: unknown }[] = [],
): Draft | undefined {
  for (const field of ['labels', 'annotations']) {
    const path = ['spec', 'secretObject', field]
    if (work.valueAt(...path) !== undefined && work.recordAt(...path) === undefined)
      work.add('KM302', `${field} of the Secret are not a mapping`, { path })
  }
  const { name, namespace } = work.manifest
  const renamed = `${name}${options.suffix}`
  if (options.suffix !== '') changes.push({ path: ['metadata', 'name'], value: renamed })
  const makes = [
    { kind: 'SecretSync', name: renamed },
    { kind: 'Secret', name: renamed },
  ]
  return editedDraft(work, changes, { makes, secrets: [{ namespace, old: name, new: renamed }] })
}

const akvSyncFields: KnownFields = {
  keyvaultName: true,
  clientID: true,
  tenantID: true,
  serviceAccountName: true,
  jitterSeconds: true,
  objects: [{ secretInAKV: true, kubernetesSecretName: true, objectVersionHistory: true, versionHistory: true }],
}

function convertAkvSync(work: Work, input: Input): Draft | undefined {
  reportUnknownFields(work, akvSyncFields)
  const { name, namespace } = work.manifest
  const { options } = input
  if (work.valueAt('spec', 'jitterSeconds') !== undefined)
    work.add('KM301', 'jitterSeconds', { path: ['spec', 'jitterSeconds'] })
  const text = (field: string) => work.textAt('spec', field)
  const account = options.serviceAccount ?? text('serviceAccountName')
  if (account === '') work.add('KM005', 'serviceAccountName is missing', { path: ['spec'] })
  if (text('keyvaultName') === '') work.add('KM006', 'keyvaultName is missing', { path: ['spec'] })
  const objects = work.listAt('spec', 'objects').map((one, index) => readObject(work, input, one, index))
  if (objects.length === 0) work.add('KM006', 'objects is missing', { path: ['spec'] })
  if (work.failed) return undefined
  const className = `${name}${options.suffix}`
  const wanted = {
    name,
    namespace,
    comment: headComment(work.manifest),
    parameters: { clientID: text('clientID'), tenantID: text('tenantID'), keyvaultName: text('keyvaultName') },
    objects: objects.map(({ fields, comment }) => ({ fields, comment })),
    templates: [],
    account,
  }
  const secretOf = ({ secretName, data }: ReadObject) => ({
    name: secretName,
    type: 'Opaque',
    labels: {},
    annotations: {},
    data,
    everyFile: false,
  })
  const syncs = options.strategy === 'files' ? [] : objects
  const [first] = objects
  if (first === undefined) return undefined
  return {
    work,
    how: 'converted',
    documents: [
      { object: classObject({ ...wanted, secret: secretOf(first) }, className, undefined), comment: wanted.comment },
      ...syncs.map((one) => ({
        object: syncObject({ ...wanted, secret: secretOf(one) }, className, `${one.secretName}${options.suffix}`),
      })),
    ],
    makes: [
      { kind: 'SecretProviderClass', name: className },
      ...syncs.map(({ secretName }) => ({ kind: 'Secret', name: `${secretName}${options.suffix}` })),
    ],
    secrets: syncs.map(({ secretName }) => ({ namespace, old: secretName, new: `${secretName}${options.suffix}` })),
    volume: options.strategy === 'secrets' ? undefined : className,
  }
}

interface ReadObject {
  secretName: string
  fields: Record<string, unknown>
  comment: string
  data: { sourcePath: string; targetKey: string }[]
}

const maxHistory = 100

function readObject(work: Work, { commentAt }: Input, one: unknown, index: number): ReadObject {
  const path = ['spec', 'objects', index]
  const record = recordOf(one) ?? {}
  const objectName = stringOf(record.secretInAKV) ?? ''
  if (objectName === '') work.add('KM006', 'secretInAKV is missing', { path })
  const secretName = stringOf(record.kubernetesSecretName) ?? objectName.toLowerCase()
  const history = Number(record.objectVersionHistory ?? record.versionHistory ?? 1)
  const isValid = Number.isInteger(history) && history >= 1 && history <= maxHistory
  if (!isValid) work.add('KM006', `the number of versions is not from 1 to ${maxHistory}`, { path })
  const versions = isValid ? history : 1
  const data = Array.from({ length: versions }, (_, version) => ({
    sourcePath: versions === 1 ? objectName : `${objectName}/${version}`,
    targetKey: `v${version}`,
  }))
  const fields = { objectName, objectType: 'secret', ...(versions === 1 ? {} : { objectVersionHistory: versions }) }
  return { secretName, fields, comment: commentAt(work.manifest, path), data }
}
