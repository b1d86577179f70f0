import { podManifest } from '#azure/lint'
import { podAnnotations, refusedSecretTypes, tlsSecretType } from '#kubernetes/client'
import { recordOf, stringOf, valueAt } from '#lib/formats'
import type { ListEntry } from '../../manifests/print-manifests.ts'
import { headComment } from '../comments.ts'
import { type Draft, draftOf, editedDraft } from '../draft.ts'
import type { Input } from '../input.ts'
import { type KnownFields, reportUnknownFields } from '../known-fields.ts'
import { groupOf, kindsOf, type Source } from '../source.ts'
import type { Work } from '../work.ts'
import { type EnvUse, envUses, usesOf } from './akv2k8s-env.ts'
import { akv2k8sRules } from './akv2k8s-rules.ts'
import { memberText } from './gjson-path.ts'

const group = 'spv.no'
const groups: ReadonlySet<string> = new Set([group, 'keyvault.azure.spv.no'])

/**
 * akv2k8s: an AzureKeyVaultSecret becomes a class and a SecretSync; `NAME@azurekeyvault` in a pod becomes a reference to the
 * Secret, or with `--strategy files` an annotation of the webhook, which needs no Secret. https://akv2k8s.io/reference/
 */
export const akv2k8sSource: Source = {
  name: 'akv2k8s',
  title: 'akv2k8s (Azure Key Vault to Kubernetes)',
  rules: akv2k8sRules,
  kinds: kindsOf(group, ['AzureKeyVaultSecret']),
  owns: (manifest) => groups.has(groupOf(manifest)) || envUses(manifest).length > 0,
  notes: [
    'akv2k8s reads with one identity for the whole cluster; a class reads with the identity of a service account (`--service-account`, `--client-id`). That account needs a federated credential and the right to read the vault.',
    'The label `azure-key-vault-env-injection: enabled` of a namespace makes akv2k8s start every container through its own program. Remove it when the pods are switched.',
    'Certificates come with the leaf first, as `chainOrder: ensureserverfirst` asks for.',
    'With `--strategy files` the variables of pods come from the webhook (`webhook.envFiles.enabled`, Kubernetes 1.35): docs/environment-variables.md.',
  ],
  convert(work, input) {
    const { kind } = work.manifest
    if (kind === 'AzureKeyVaultSecret') return convertSecret(work, input)
    if (!groups.has(groupOf(work.manifest))) return convertPod(work, input)
    work.add('KM009', `the kind ${kind}`)
    return undefined
  },
}

const knownFields: KnownFields = {
  vault: {
    name: true,
    azureIdentity: true,
    object: { name: true, type: true, version: true, contentType: true },
  },
  output: {
    secret: { name: true, dataKey: true, type: true, chainOrder: true },
    configMap: true,
    transform: true,
    transforms: true,
  },
}

/** What an AzureKeyVaultSecret gives: objects and templates of a class, by the keys of a Secret. */
interface Reading {
  work: Work
  input: Input
  uses: readonly EnvUse[]
  objectName: string
  /** What every object of the class has. */
  common: Record<string, unknown>
  type: string
  dataKey: string
  hasOutput: boolean
  objects: ListEntry[]
  templates: ListEntry[]
  data: { sourcePath: string; targetKey: string }[]
}

function convertSecret(work: Work, input: Input): Draft | undefined {
  reportUnknownFields(work, knownFields)
  const uses = usesOf(input, work.manifest)
  const hasOutput = work.recordAt('spec', 'output', 'secret') !== undefined
  if (work.valueAt('spec', 'output', 'configMap') !== undefined)
    work.add('KM204', 'the output is a ConfigMap', { path: ['spec', 'output', 'configMap'] })
  else if (!hasOutput && uses.length === 0) work.add('KM201', 'there is no output, and no pod of the input uses it')
  if (work.valueAt('spec', 'vault', 'azureIdentity') !== undefined)
    work.add('KM212', 'it reads with an azureIdentity', { path: ['spec', 'vault', 'azureIdentity'] })
  const vaultName = work.textAt('spec', 'vault', 'name')
  const objectName = work.textAt('spec', 'vault', 'object', 'name')
  if (vaultName === '' || objectName === '')
    work.add('KM006', 'name of the vault or of its object is missing', { path: ['spec', 'vault'] })
  if (work.failed || (!hasOutput && uses.length === 0)) return undefined
  const version = work.textAt('spec', 'vault', 'object', 'version')
  const reading: Reading = {
    work,
    input,
    uses,
    objectName,
    common: version === '' ? {} : { objectVersion: version },
    type: work.textAt('spec', 'output', 'secret', 'type') || 'Opaque',
    dataKey: work.textAt('spec', 'output', 'secret', 'dataKey'),
    hasOutput,
    objects: [],
    templates: [],
    data: [],
  }
  readObject(reading)
  const account = accountOf(reading)
  if (work.failed) return undefined
  const { clientId = '', tenantId = '' } = input.options
  const { name, namespace } = work.manifest
  const secretName = work.textAt('spec', 'output', 'secret', 'name') || name
  return draftOf(
    work,
    {
      name,
      namespace,
      comment: headComment(work.manifest),
      parameters: { keyvaultName: vaultName, tenantID: tenantId, clientID: clientId },
      objects: reading.objects,
      templates: reading.templates,
      account,
      secret: {
        name: secretName,
        type: /^opaque$/i.test(reading.type) ? 'Opaque' : reading.type,
        labels: {},
        annotations: {},
        data: reading.data,
        everyFile: false,
      },
    },
    input,
  )
}

/** The account of the pods that use it, if they have one in common. */
function accountOf({ work, input, uses }: Reading): string {
  const given = input.options.serviceAccount
  if (given !== undefined) return given
  const accounts = [...new Set(uses.map(({ account }) => account))].filter((account) => account !== '')
  const [account] = accounts
  if (account !== undefined && accounts.length === 1) return account
  if (input.options.strategy !== 'files') work.add('KM005', 'akv2k8s reads with the identity of its controller')
  return ''
}

function readObject(reading: Reading): void {
  const { work, type } = reading
  const path = ['spec', 'output', 'secret', 'type']
  if (refusedSecretTypes.has(type)) work.add('KM007', `the Secret has the type ${type}`, { path })
  const objectType = work.textAt('spec', 'vault', 'object', 'type')
  switch (objectType) {
    case 'secret':
      readSecret(reading)
      break
    case 'certificate':
      readCertificate(reading)
      break
    case 'key':
      readKey(reading)
      break
    case 'multi-key-value-secret':
      readMembers(reading)
      break
    default:
      work.add('KM006', 'type of the object of the vault is not known', { path: ['spec', 'vault', 'object', 'type'] })
  }
}

const keysOfTypes: Readonly<Record<string, string>> = {
  'kubernetes.io/dockerconfigjson': '.dockerconfigjson',
  'kubernetes.io/dockercfg': '.dockercfg',
  'kubernetes.io/ssh-auth': 'ssh-privatekey',
}

/** The key of the value of an object that has one; `value` for an object that only pods use. */
function singleKey({ work, type, dataKey, hasOutput }: Reading): string {
  const key = keysOfTypes[type] ?? dataKey
  if (key !== '') return key
  if (hasOutput) work.add('KM006', 'dataKey is missing', { path: ['spec', 'output', 'secret'] })
  return 'value'
}

function addFile(reading: Reading, key: string, fields: Record<string, unknown>): void {
  const { objectName, common, objects, data, work, input } = reading
  const { objectType, ...rest } = fields
  const alias = key === objectName ? {} : { objectAlias: key }
  const comment = objects.length === 0 ? input.commentAt(work.manifest, ['spec', 'vault', 'object', 'name']) : ''
  objects.push({ fields: { objectName, objectType, ...alias, ...common, ...rest }, comment })
  data.push({ sourcePath: key, targetKey: key })
}

function readSecret(reading: Reading): void {
  const { work, type, uses, input } = reading
  refuseQueries(reading, () => false)
  if (type === 'kubernetes.io/basic-auth') {
    work.add('KM205', 'the Secret is of type kubernetes.io/basic-auth', { path: ['spec', 'output', 'secret', 'type'] })
    return
  }
  if (type === tlsSecretType) {
    if (input.options.strategy !== 'secrets' || uses.length > 0)
      work.add('KM209', 'a Secret of type kubernetes.io/tls of a plain secret')
    addFile(reading, reading.objectName, { objectType: 'secret', objectEncoding: 'base64' })
    reading.data = ['tls.crt', 'tls.key'].map((targetKey) => ({ sourcePath: reading.objectName, targetKey }))
    return
  }
  const steps = transformations(reading)
  const key = singleKey(reading)
  if (steps.length === 0) addFile(reading, key, { objectType: 'secret' })
  else if (steps.length === 1 && steps[0] === 'b64dec')
    addFile(reading, key, { objectType: 'secret', objectEncoding: 'base64' })
  else {
    addFile(reading, key, { objectType: 'secret', only: 'templates' })
    reading.templates.push({ fields: { fileName: key, template: `{{ index "${key}" | ${steps.join(' | ')} }}` } })
  }
}

const functions: Readonly<Record<string, string>> = { trim: 'trim', base64decode: 'b64dec', base64encode: 'b64enc' }

function transformations({ work }: Reading): string[] {
  // v1alpha1 has the name with an s.
  const field = work.valueAt('spec', 'output', 'transforms') === undefined ? 'transform' : 'transforms'
  return work.listAt('spec', 'output', field).flatMap((one, index) => {
    const found = functions[stringOf(one) ?? '']
    if (found === undefined)
      work.add('KM208', 'a transformation that is not known', { path: ['spec', 'output', field, index] })
    return found ?? []
  })
}

function readCertificate(reading: Reading): void {
  const { work, type, hasOutput, uses } = reading
  const isPair = type === tlsSecretType || (!hasOutput && uses.length > 0)
  refuseQueries(reading, (query) => isPair && ['tls.crt', 'tls.key'].includes(query))
  if (isPair) {
    const { objectName } = reading
    addFile(reading, objectName, { objectType: 'secret', only: 'templates' })
    const part = (fileName: string, filter: string) => ({
      fields: { fileName, template: `{{ index "${objectName}" | ${filter} }}` },
    })
    reading.templates.push(part('tls.crt', 'pemChain'), part('tls.key', 'pemKey'))
    reading.data = ['tls.crt', 'tls.key'].map((key) => ({ sourcePath: key, targetKey: key }))
  } else if (work.textAt('spec', 'output', 'secret', 'type') === 'Opaque')
    work.add('KM206', 'a certificate in a Secret of type Opaque', { path: ['spec', 'output', 'secret', 'type'] })
  else addFile(reading, singleKey(reading), { objectType: 'cert' })
}

function readKey(reading: Reading): void {
  const { work, input } = reading
  refuseQueries(reading, () => false)
  if (!input.options.acceptPem) work.add('KM207', 'it reads a key', { path: ['spec', 'vault', 'object', 'type'] })
  addFile(reading, singleKey(reading), { objectType: 'key' })
}

function readMembers(reading: Reading): void {
  const { work, input, uses, hasOutput } = reading
  const path = ['spec', 'vault', 'object', 'contentType']
  const contentType = work.textAt(...path)
  if (contentType === 'application/x-yaml') work.add('KM203', 'contentType is application/x-yaml', { path })
  else if (contentType !== 'application/x-json') work.add('KM006', 'contentType is not application/x-json', { path })
  const members = new Set(uses.map(({ query }) => query).filter((query) => query !== ''))
  if (hasOutput) {
    const name = work.textAt('spec', 'output', 'secret', 'name')
    const keys = input.keysOfSecret(work.manifest.namespace, name)
    if ('why' in keys) work.add('KM202', `the members of the secret are not known (${keys.why})`)
    else for (const key of keys) members.add(key)
  }
  for (const member of [...members].toSorted())
    addFile(reading, member, { objectType: 'secret', jsonPath: `$${memberText(member)}` })
  if (uses.some(({ query }) => query === '')) addFile(reading, 'value', { objectType: 'secret' })
}

/** Reports variables whose query the object does not have. */
function refuseQueries({ work, uses }: Reading, accepts: (query: string) => boolean): void {
  const wrong = uses.find(({ query }) => query !== '' && !accepts(query))
  if (wrong !== undefined)
    work.add('KM211', `${wrong.pod.kind} "${wrong.pod.name}" asks for a member`, { of: wrong.pod, path: wrong.path })
}

/** The key of the Secret, and file of the class, that a variable reads; undefined if the object names none. */
function keyOfUse(secret: unknown, { query }: EnvUse): string | undefined {
  const text = (...path: string[]) => stringOf(valueAt(secret, 'spec', ...path)) ?? ''
  const type = text('output', 'secret', 'type')
  switch (text('vault', 'object', 'type')) {
    case 'multi-key-value-secret':
      return query === '' ? 'value' : query
    case 'certificate': {
      const isPair = type === tlsSecretType || recordOf(valueAt(secret, 'spec', 'output', 'secret')) === undefined
      // Without a query akv2k8s gives the certificates.
      return isPair ? query || 'tls.crt' : text('output', 'secret', 'dataKey') || undefined
    }
    default:
      return keysOfTypes[type] ?? (text('output', 'secret', 'dataKey') || 'value')
  }
}

function convertPod(work: Work, input: Input): Draft | undefined {
  const { suffix, strategy } = input.options
  const uses = envUses(work.manifest)
  const resolved = uses.flatMap((use) => {
    const [secret] = input.named('AzureKeyVaultSecret', use.name, work.manifest)
    const key = secret === undefined ? undefined : keyOfUse(secret.value, use)
    if (secret === undefined)
      work.add('KM210', `AzureKeyVaultSecret "${use.name}" is not in the input`, { path: use.path })
    return secret === undefined || key === undefined ? [] : [{ use, secret, key }]
  })
  if (work.failed) return undefined
  const needs = resolved.map(({ secret }) => secret)
  const name = ({ value, name: own }: (typeof needs)[number]) =>
    `${stringOf(valueAt(value, 'spec', 'output', 'secret', 'name')) ?? own}${suffix}`
  if (strategy !== 'files') {
    const changes = resolved.map(({ use, secret, key }) => ({
      path: use.path,
      value: { name: use.variable, valueFrom: { secretKeyRef: { name: name(secret), key } } },
    }))
    return editedDraft(work, changes, { needs })
  }
  return withoutSecret(
    work,
    resolved.map(({ use, secret, key }) => ({ use, className: `${secret.name}${suffix}`, key })),
    needs,
  )
}

interface FileUse {
  use: EnvUse
  className: string
  key: string
}

/** The webhook fills the variables from the files of volumes: nothing is in the API server. */
function withoutSecret(work: Work, files: readonly FileUse[], needs: Draft['needs']): Draft {
  const pod = podManifest(work.manifest)
  const path = pod?.path ?? []
  const volumes = [...new Set(files.map(({ className }) => className))].map((secretProviderClass) => ({
    name: secretProviderClass.replaceAll('.', '-').slice(0, 63).replace(/-+$/, ''),
    csi: { driver: 'secrets-store.csi.k8s.io', readOnly: true, volumeAttributes: { secretProviderClass } },
  }))
  const isOne = volumes.length === 1
  const containers = containersOf(work, files)
  const variables = new Set(
    files.map(({ use, className, key }) => `${use.variable}=${isOne ? '' : `${className}:`}${key}`),
  )
  const before = work.listAt(...path, 'spec', 'volumes')
  // From the last to the first, so that no index changes before it is used.
  const removed = files.map(({ use }) => ({ path: use.path, value: undefined })).toReversed()
  const added = volumes.map((volume, index) => ({
    path: [...path, 'spec', 'volumes', before.length + index],
    value: volume,
  }))
  const changes = [
    ...removed,
    // Without the label the webhook does not see the pod.
    { path: [...path, 'metadata', 'labels', 'azure.workload.identity/use'], value: 'true' },
    { path: [...path, 'metadata', 'annotations', podAnnotations.env], value: [...variables].join(', ') },
    ...(containers === undefined
      ? []
      : [{ path: [...path, 'metadata', 'annotations', podAnnotations.envContainers], value: containers }]),
    ...(before.length > 0 ? added : [{ path: [...path, 'spec', 'volumes'], value: volumes }]),
  ]
  return editedDraft(work, changes, { needs })
}

/**
 * Names of the containers that get the variables; undefined where all do. The annotation has one list of variables, so
 * containers with different ones are a finding: none may see what only another one had.
 */
function containersOf(work: Work, files: readonly FileUse[]): string | undefined {
  const pod = podManifest(work.manifest)
  const all = pod?.containers ?? []
  const ofContainer = all.map(({ name, path }) => ({
    name,
    variables: files
      .filter(({ use }) => use.path.slice(0, path.length).join('/') === path.join('/'))
      .map(({ use, className, key }) => `${use.variable}=${className}:${key}`)
      .toSorted()
      .join(),
  }))
  const using = ofContainer.filter(({ variables }) => variables !== '')
  if (new Set(using.map(({ variables }) => variables)).size > 1)
    work.add('KM213', 'its containers have different variables from the vault', { path: pod?.path ?? [] })
  return using.length === all.length ? undefined : using.map(({ name }) => name).join(', ')
}
