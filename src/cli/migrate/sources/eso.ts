import { beyondLimit } from '#lib'
import { parseDuration, recordOf, stringOf, valueAt } from '#lib/formats'
import type { ListEntry } from '../../manifests/print-manifests.ts'
import { headComment } from '../comments.ts'
import { type Draft, draftOf, type WantedClass } from '../draft.ts'
import type { Input } from '../input.ts'
import { type KnownFields, reportUnknownFields } from '../known-fields.ts'
import { migrateLimits } from '../migrate-limits.ts'
import { groupOf, kindsOf, type Source } from '../source.ts'
import type { Work } from '../work.ts'
import { esoRules } from './eso-rules.ts'
import { readStore, type StoreParameters } from './eso-store.ts'
import { readTarget, type Target } from './eso-target.ts'
import { jsonPathOf, memberText } from './gjson-path.ts'

const group = 'external-secrets.io'

/**
 * External Secrets Operator, provider Azure Key Vault: an ExternalSecret becomes a class and a SecretSync; a store becomes
 * parameters of each class. https://external-secrets.io/latest/provider/azure-key-vault/
 */
export const esoSource: Source = {
  name: 'eso',
  title: 'External Secrets Operator',
  rules: esoRules,
  kinds: [
    ...kindsOf(group, ['ExternalSecret', 'SecretStore', 'PushSecret']),
    ...kindsOf(group, ['ClusterSecretStore', 'ClusterExternalSecret', 'ClusterPushSecret'], 'cluster'),
  ],
  owns: (manifest) => groupOf(manifest) === group || groupOf(manifest).endsWith(`.${group}`),
  notes: [
    'A secret that belongs to a certificate comes as PEM (certificates and key); the operator gives what the vault stores, often a PFX in base64. `keymount migrate compare` shows such keys as different.',
    'The RSA key of a Secret of type kubernetes.io/tls is PKCS #1, as the Secrets Store CSI driver writes it, and the operator’s PKCS #8: the same key, which `compare` shows as equal in another form.',
    'The operator reads once an hour by default, and so do the classes (`syncInterval: 1h`). Without that parameter Keymount reads every 2 minutes.',
    'Where the operator writes what it could get, Keymount writes a Secret whole or not at all.',
  ],
  convert(work, input) {
    const { kind } = work.manifest
    if (kind === 'SecretStore' || kind === 'ClusterSecretStore') return undefined
    if (kind === 'ExternalSecret' && groupOf(work.manifest) === group) return convertExternalSecret(work, input)
    work.add('KM128', `${kind} "${work.manifest.name}" has no counterpart`)
    return undefined
  },
}

const remoteFields: KnownFields = {
  key: true,
  property: true,
  version: true,
  metadataPolicy: true,
  conversionStrategy: true,
  decodingStrategy: true,
}

const knownFields: KnownFields = {
  secretStoreRef: { name: true, kind: true },
  target: {
    name: true,
    creationPolicy: true,
    deletionPolicy: true,
    immutable: true,
    template: {
      type: true,
      engineVersion: true,
      mergePolicy: true,
      metadata: { labels: true, annotations: true },
      data: true,
      templateFrom: true,
    },
  },
  refreshInterval: true,
  refreshPolicy: true,
  syncWindows: true,
  data: [{ secretKey: true, remoteRef: remoteFields, sourceRef: true }],
  dataFrom: [
    {
      extract: remoteFields,
      find: { name: { regexp: true }, tags: true, path: true, conversionStrategy: true, decodingStrategy: true },
      rewrite: true,
      sourceRef: true,
      // v1alpha1 has no extract.
      ...remoteFields,
    },
  ],
}

function convertExternalSecret(work: Work, input: Input): Draft | undefined {
  reportUnknownFields(work, knownFields)
  const { manifest } = work
  const entries = work.listAt('spec', 'data').length + work.listAt('spec', 'dataFrom').length
  if (entries > migrateLimits.keys.value) {
    work.add('KM002', beyondLimit(migrateLimits.keys, entries), { path: ['spec', 'data'] })
    return undefined
  }
  const store = readStore(work, input, work.valueAt('spec', 'secretStoreRef'), ['spec', 'secretStoreRef'])
  const syncInterval = readInterval(work)
  const target = readTarget(work)
  const reading: Reading = { work, input, store, target, entries: new Map(), hasSelection: false }
  readData(reading)
  readDataFrom(reading)
  applyTemplateUse(reading)
  if (work.failed || store === undefined) return undefined
  return draftOf(work, wantedClass(reading, store, syncInterval, headComment(manifest)), input)
}

interface Reading {
  work: Work
  input: Input
  store: StoreParameters | undefined
  target: Target
  /** Of the class, by the key of the Secret. */
  entries: Map<string, Entry>
  /** Whether the vault decides which keys there are. */
  hasSelection: boolean
}

interface Entry {
  type: 'secret' | 'cert' | 'key'
  fields: Record<string, unknown>
  comment: string
  path: readonly (string | number)[]
  /** Keys of the Secret that it gives; several for members of a JSON secret. */
  keys: readonly string[]
}

function readInterval(work: Work): string {
  const path = ['spec', 'refreshInterval']
  const policy = work.textAt('spec', 'refreshPolicy')
  if (work.valueAt('spec', 'syncWindows') !== undefined)
    work.add('KM125', 'syncWindows limits when the Secret is refreshed', { path: ['spec', 'syncWindows'] })
  if (policy === 'CreatedOnce')
    work.add('KM116', 'refreshPolicy CreatedOnce reads the value once', { path: ['spec', 'refreshPolicy'] })
  else if (!['', 'Periodic', 'OnChange'].includes(policy))
    work.add('KM116', `refreshPolicy ${policy.slice(0, 60)} is not known`, { path: ['spec', 'refreshPolicy'] })
  // No polling is the longest interval that there is; an edit, `keymount rotate` and events still count.
  if (policy === 'OnChange') return noPolling
  const text = work.textAt('spec', 'refreshInterval')
  if (text === '') return '1h'
  const ms = parseDuration(text)
  if (ms === undefined) work.add('KM006', 'refreshInterval is not a duration', { path })
  else if (ms === 0) work.add('KM116', 'refreshInterval 0 reads the value once', { path })
  else if (ms < 1000) work.add('KM116', 'refreshInterval is shorter than a second', { path, right: '1s or more' })
  return text
}

/** 100 years. */
const noPolling = '876000h'

function readData(reading: Reading): void {
  const { work } = reading
  for (const [index, one] of work.listAt('spec', 'data').entries()) {
    const path = ['spec', 'data', index]
    const key = stringOf(valueAt(one, 'secretKey')) ?? ''
    if (key === '') work.add('KM006', 'secretKey is missing', { path })
    const vault = readSource(reading, valueAt(one, 'sourceRef'), [...path, 'sourceRef'])
    const reference = recordOf(valueAt(one, 'remoteRef')) ?? {}
    const read = readReference(reading, reference, [...path, 'remoteRef'])
    if (read === undefined) continue
    const { objectName, objectType } = read.fields
    const alias = key === objectName ? {} : { objectAlias: key }
    const { objectVersion, objectEncoding, jsonPath } = read.fields
    const fields = { objectName, objectType, ...alias, ...defined({ objectVersion, objectEncoding, jsonPath, vault }) }
    addEntry(reading, key, { ...read, fields, path, keys: [key] })
  }
}

function defined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''))
}

function addEntry(reading: Reading, id: string, entry: Omit<Entry, 'comment'>): void {
  const { work, input, entries } = reading
  const before = new Set([...entries.values()].flatMap(({ keys }) => keys))
  const twice = entry.keys.find((key) => before.has(key))
  if (twice !== undefined) work.add('KM127', `the key "${twice}" has two entries`, { path: entry.path })
  entries.set(id, { ...entry, comment: input.commentAt(work.manifest, entry.path) })
}

/** The name of the other vault that an entry reads from; undefined for that of the class. */
function readSource(reading: Reading, source: unknown, path: readonly (string | number)[]): string | undefined {
  const { work, input, store } = reading
  if (source === undefined) return undefined
  if (valueAt(source, 'generatorRef') !== undefined) {
    work.add('KM124', 'sourceRef names a generator', { path })
    return undefined
  }
  const other = readStore(work, input, valueAt(source, 'storeRef'), [...path, 'storeRef'])
  if (other === undefined || store === undefined) return undefined
  const differs = (['cloudName', 'tenantId', 'clientId', 'managedIdentity', 'account'] as const).find(
    (field) => other[field] !== store[field],
  )
  if (differs !== undefined) work.add('KM129', `sourceRef names a store with another ${differs}`, { path })
  return other.vaultName === store.vaultName ? undefined : other.vaultName
}

type ReadReference = Pick<Entry, 'type' | 'fields'>

const types: Readonly<Record<string, Entry['type']>> = { secret: 'secret', cert: 'cert', key: 'key' }

function readReference(
  { work }: Reading,
  reference: Record<string, unknown>,
  path: readonly (string | number)[],
): ReadReference | undefined {
  const text = (field: string) => stringOf(reference[field]) ?? ''
  const at = (field: string) => ({ path: [...path, field] })
  const [prefix = '', ...rest] = text('key').split('/')
  const [type, objectName] = rest.length === 0 ? (['secret', prefix] as const) : [types[prefix], rest.join('/')]
  if (text('key') === '') work.add('KM006', 'remoteRef.key is missing', { path })
  else if (type === undefined || objectName.includes('/'))
    work.add('KM111', 'remoteRef.key has a prefix that is not secret, cert or key', at('key'))
  const property = text('property')
  if (text('metadataPolicy') === 'Fetch' || /^tags?(?:\.|$)/.test(property))
    work.add('KM113', 'the value is made of tags', at(property === '' ? 'metadataPolicy' : 'property'))
  const encoding = readDecoding(work, text('decodingStrategy'), at('decodingStrategy'))
  const json = property === '' ? undefined : jsonPathOf(property)
  if (json !== undefined && 'fault' in json) work.add('KM112', `property ${json.fault}`, at('property'))
  if (property !== '' && type !== 'secret' && type !== undefined)
    work.add('KM112', `property has no meaning for ${prefix}/…`, at('property'))
  if (encoding !== '' && (type !== 'secret' || property !== ''))
    work.add('KM115', 'only the whole value of a secret can be decoded', at('decodingStrategy'))
  if (type === undefined) return undefined
  const jsonPath = json !== undefined && 'path' in json ? json.path : undefined
  const objectType = type
  return {
    type,
    fields: { objectName, objectType, objectVersion: text('version'), objectEncoding: encoding, jsonPath },
  }
}

function readDecoding(work: Work, strategy: string, at: { path: readonly (string | number)[] }): string {
  if (strategy === '' || strategy === 'None') return ''
  if (strategy === 'Base64') return 'base64'
  work.add('KM115', `decodingStrategy ${strategy.slice(0, 60)}`, at)
  return ''
}

function readDataFrom(reading: Reading): void {
  const { work } = reading
  const all = work.listAt('spec', 'dataFrom')
  for (const [index, one] of all.entries()) {
    const path = ['spec', 'dataFrom', index]
    const record = recordOf(one) ?? {}
    if (record.rewrite !== undefined) work.add('KM123', 'rewrite changes the keys', { path: [...path, 'rewrite'] })
    const vault = readSource(reading, record.sourceRef, [...path, 'sourceRef'])
    const find = recordOf(record.find)
    if (find !== undefined) readFind(reading, find, [...path, 'find'], vault)
    else if (record.extract !== undefined) readExtract(reading, record.extract, [...path, 'extract'], vault)
    else if (record.key !== undefined) readExtract(reading, record, path, vault)
    else if (record.sourceRef === undefined) work.add('KM006', 'neither extract nor find', { path })
  }
}

type PathOf = readonly (string | number)[]

function readFind(reading: Reading, find: Record<string, unknown>, path: PathOf, vault: string | undefined): void {
  const { work, target } = reading
  if (find.path !== undefined) work.add('KM001', 'find.path is not known', { path: [...path, 'path'] })
  if (target.templates.length > 0)
    work.add('KM120', 'a template over objects that the vault names', { path: ['spec', 'target', 'template'] })
  const pattern = stringOf(valueAt(find, 'name', 'regexp')) ?? ''
  const tags = recordOf(find.tags) ?? {}
  const encoding = readDecoding(work, stringOf(find.decodingStrategy) ?? '', { path: [...path, 'decodingStrategy'] })
  const select = {
    ...(pattern === '' ? {} : { namePattern: wholeName(pattern) }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
    ...(pattern === '' && Object.keys(tags).length === 0 ? { all: true } : {}),
  }
  const fields = { select, limit: 500, ...defined({ objectEncoding: encoding, vault }) }
  addEntry(reading, `find ${path.join('.')}`, { type: 'secret', fields, path, keys: [] })
  if (!reading.hasSelection) work.add('KM126', 'the Secret has the keys that the vault has', { path })
  reading.hasSelection = true
}

/** The operator looks for the pattern anywhere in the name; a class compares the whole name. */
function wholeName(pattern: string): string {
  if (/[|()[\]\\]/.test(pattern)) return `.*(?:${pattern}).*`
  const [start, end] = [pattern.startsWith('^'), pattern.endsWith('$')]
  const inner = pattern.slice(start ? 1 : 0, end ? -1 : undefined)
  return `${start || inner.startsWith('.*') ? '' : '.*'}${inner}${end || inner.endsWith('.*') ? '' : '.*'}`
}

function readExtract(reading: Reading, extract: unknown, path: PathOf, vault: string | undefined): void {
  const { work } = reading
  const read = readReference(reading, recordOf(extract) ?? {}, path)
  if (read === undefined) return
  if (read.type !== 'secret') work.add('KM111', 'only a secret holds JSON', { path })
  if (read.fields.objectEncoding !== '') work.add('KM115', 'each member would be decoded', { path })
  const keys = work.failed ? [] : keysOfExtract(reading, path)
  if (keys === undefined) return
  const { objectName, objectType, objectVersion, jsonPath = '$' } = read.fields
  const paths = keys.map((key) => ({ path: `${jsonPath}${memberText(key)}`, objectAlias: key }))
  const fields = { objectName, objectType, ...defined({ objectVersion, vault }), jsonPath: paths }
  addEntry(reading, `extract ${path.join('.')}`, { type: 'secret', fields, path, keys })
}

/** The members that the Secret has or that templates ask for, without those of other entries. */
function keysOfExtract({ work, input, target, entries }: Reading, path: PathOf): readonly string[] | undefined {
  if (work.listAt('spec', 'dataFrom').length > 1) {
    work.add('KM114', 'more than one entry of dataFrom makes keys', { path })
    return undefined
  }
  const others = new Set([...entries.values()].flatMap(({ keys }) => keys))
  if (target.templates.length > 0) {
    if (target.keepsOthers) work.add('KM114', 'the template is merged with keys that are not known', { path })
    return target.templates.flatMap(({ names }) => names).filter((name) => !others.has(name))
  }
  const known = input.keysOfSecret(work.manifest.namespace, target.name)
  if ('why' in known) {
    work.add('KM114', `extract reads the members of a JSON secret (${known.why})`, { path })
    return undefined
  }
  return known.filter((key) => !others.has(key))
}

/** How templates use the entries, and what becomes of entries that they do not use. */
function applyTemplateUse(reading: Reading): void {
  const { work, input, target, entries } = reading
  const used = new Set(target.templates.flatMap(({ names }) => names))
  for (const { certificates, text, key } of target.templates)
    for (const name of certificates)
      if (usesOtherwise(text, name))
        work.add('KM120', `"${key}" uses "${name}" as PFX and as something else`, { path: target.path })
  const keysAsPem = new Set(target.templates.flatMap(({ keys }) => [...keys]))
  for (const [key, entry] of entries) {
    const isPem = entry.type === 'key' && keysAsPem.has(key) && !target.keepsOthers
    if (entry.type !== 'secret' && !isPem && !input.options.acceptPem)
      work.add('KM110', `"${key}" is ${entry.type === 'key' ? 'a key (JWK)' : 'a certificate (DER)'}`, {
        path: entry.path,
      })
    if (target.templates.length > 0 && (!target.keepsOthers || target.templates.some((one) => one.key === key)))
      entry.fields.only = 'templates'
  }
  const unknown = [...used].find((name) => !reachable(entries, name))
  if (unknown !== undefined && target.templates.length > 0 && !work.failed)
    work.add('KM120', `a template uses "${unknown}", which no entry gives`, { path: target.path })
}

function reachable(entries: ReadonlyMap<string, Entry>, name: string): boolean {
  return [...entries.values()].some(({ keys }) => keys.some((key) => key === name))
}

/** Whether a template has the name in an action that is not about PEM. */
function usesOtherwise(text: string, name: string): boolean {
  return [...text.matchAll(/\{\{([^{}]*)\}\}/g)].some(
    ([, action = '']) => action.includes(name) && !/\| pem(?:Chain|Key)\b/.test(action),
  )
}

function wantedClass(reading: Reading, store: StoreParameters, syncInterval: string, comment: string): WantedClass {
  const { work, target, entries, hasSelection } = reading
  const { namespace, name } = work.manifest
  const fromTemplates = target.templates.map(({ key }) => key)
  const kept = [...entries.values()].filter(({ fields }) => fields.only === undefined).flatMap(({ keys }) => keys)
  return {
    name,
    namespace,
    comment,
    parameters: {
      keyvaultName: store.vaultName,
      tenantID: store.tenantId,
      clientID: store.clientId,
      cloudName: store.cloudName,
      useVMManagedIdentity: store.managedIdentity === undefined ? '' : 'true',
      userAssignedIdentityID: store.managedIdentity ?? '',
      syncInterval,
    },
    objects: [...entries.values()].map(({ fields, comment }): ListEntry => ({ fields, comment })),
    templates: target.templates.map(({ key, text }) => ({ fields: { fileName: key, template: text } })),
    account: store.account,
    secret: {
      name: target.name,
      type: target.type,
      labels: target.labels,
      annotations: target.annotations,
      data: [...kept, ...fromTemplates].map((key) => ({ sourcePath: key, targetKey: key })),
      everyFile: hasSelection,
    },
  }
}
