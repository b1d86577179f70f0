import type { ClassSpec, ObjectType } from '#azure/class'
import { clientIdAnnotation, completeIdentity, wayToSignIn } from '#azure/identity'
import { type ClassManifest, hasPlaceholder, type Manifest, type ManifestSet, type PodManifest } from '#azure/lint'
import { isObjectName } from '#kubernetes/client'
import { isUuid } from '#lib'
import { recordOf, stringOf, valueAt } from '#lib/formats'
import { isVaultName } from '../doctor/check-class.ts'
import { bindingAnnotation, useLabel } from '../identity-keys.ts'
import { subjectOf } from '../names.ts'

/** An object that a class reads; of the name `*` for those that a `select` finds. */
export interface VaultRead {
  vault: string
  type: ObjectType
  name: string
}

/** A class by which an account signs in. */
export interface UsedClass {
  name: string
  /** Whether the class itself names the client; otherwise the annotation of the account does. */
  namesClient: boolean
  throughProxy: boolean
}

/** A workload whose pods sign in themselves, with what the webhook gives them. */
export interface SelfSignIn {
  apiVersion: string
  kind: string
  name: string
  /** Of the pod or its template in the manifest. */
  podPath: readonly (string | number)[]
  throughProxy: boolean
}

/** A service account that signs in as a client. */
export interface AccountUse {
  /** In lower case. */
  clientId: string
  namespace: string
  account: string
  /** `system:serviceaccount:NAMESPACE:NAME` */
  subject: string
  /** Client id that the account is annotated with; empty for none. */
  annotatedClient: string
  classes: readonly UsedClass[]
  workloads: readonly SelfSignIn[]
  reads: readonly VaultRead[]
}

export interface AccountUses {
  uses: readonly AccountUse[]
  /** What could not be planned, and why. */
  problems: readonly string[]
}

/** A use while it is collected: each list by its content, so that what many pods have in common is there once. */
interface Collected extends Omit<AccountUse, 'classes' | 'workloads' | 'reads'> {
  classes: Map<string, UsedClass>
  workloads: Map<string, SelfSignIn>
  reads: Map<string, VaultRead>
  /** Classes whose objects are in `reads`. */
  readClasses: Set<ClassManifest>
}

interface Collection {
  set: ManifestSet
  defaultNamespace: string
  uses: Map<string, Collected>
  problems: Set<string>
}

/**
 * Which service accounts sign in as which client by a token of the cluster, and what their classes read: by the pods and
 * SecretSyncs that use a class, and by the pods that the webhook changes. Other ways to sign in need no credential.
 */
export function accountUses(set: ManifestSet, defaultNamespace: string): AccountUses {
  const collection: Collection = { set, defaultNamespace, uses: new Map(), problems: new Set() }
  for (const pod of set.pods) {
    for (const { className, csi, attributes } of pod.classVolumes)
      collectClass(collection, {
        user: pod.manifest,
        account: pod.account,
        className,
        hasSecret: csi.nodePublishSecretRef !== undefined,
        clientId: stringOf(attributes.clientID)?.trim() ?? '',
      })
    collectSelfSignIn(collection, pod)
  }
  for (const sync of set.syncs)
    collectClass(collection, {
      user: sync,
      account: stringOf(valueAt(sync.value, 'spec', 'serviceAccountName')) ?? '',
      className: stringOf(valueAt(sync.value, 'spec', 'secretProviderClassName')) ?? '',
      hasSecret: false,
      clientId: '',
    })
  const uses = [...collection.uses.values()].map(({ classes, workloads, reads, readClasses: _, ...use }) => ({
    ...use,
    classes: [...classes.values()],
    workloads: [...workloads.values()],
    reads: [...reads.values()],
  }))
  return { uses: uses.toSorted(bySubject), problems: [...collection.problems].toSorted() }
}

interface ClassUser {
  user: Manifest
  /** Empty for `default`. */
  account: string
  className: string
  hasSecret: boolean
  /** That the volume names; empty for none. */
  clientId: string
}

function collectClass(collection: Collection, { user, account, className, hasSecret, clientId }: ClassUser): void {
  const [found] = collection.set.classNamed(className, user)
  if (found === undefined) {
    if (className !== '') problem(collection, user, `its class ${shown(className)} is not in the input`)
    return
  }
  if (found.provider !== 'azure') return
  if (found.spec === undefined) {
    problem(collection, found.manifest, 'has mistakes: see keymount lint')
    return
  }
  const { identity } = found.spec
  const annotations = annotationsOf(collection.set, account, user)
  const named = { ...identity, clientId: identity.clientId || clientId }
  const complete = completeIdentity(named, annotations, { hasSecret, defaultTenantId: '' })
  const way = wayToSignIn(complete)
  const isFederated = way === 'workload' || way === 'identity-binding'
  if (!isFederated && (way !== 'service-principal' || hasSecret)) return
  if (complete.clientId === '') {
    const who = shown(account || 'default')
    problem(collection, user, `neither class ${shown(className)} nor account ${who} names a client id`)
    return
  }
  if (!isObjectName(className)) {
    problem(collection, user, `${shown(className)} is not the name of a class`)
    return
  }
  const use = useOf(collection, { user, account, clientId: complete.clientId, annotations })
  if (use === undefined) return
  addOnce(use.classes, {
    name: className,
    namesClient: identity.clientId !== '',
    throughProxy: way === 'identity-binding',
  })
  // Thousands of pods may mount a class of many objects.
  if (use.readClasses.has(found)) return
  use.readClasses.add(found)
  for (const read of readsOf(found.spec)) {
    if (isVaultName(read.vault)) addOnce(use.reads, read)
    else problem(collection, found.manifest, `${shown(read.vault)} is not the name of a vault`)
  }
}

/** Objects by the vault that they are in. */
function readsOf({ values, objects, selects }: ClassSpec): VaultRead[] {
  const selected = selects.map(({ type, vaultName }) => ({ type, vaultName, name: '*' }))
  return [...objects, ...selected].map(({ type, name, vaultName = values.keyvaultName }) => ({
    vault: vaultName.toLowerCase(),
    type,
    name,
  }))
}

function collectSelfSignIn(
  collection: Collection,
  { manifest, path, labels, annotations, account }: PodManifest,
): void {
  if (labels[useLabel] !== 'true') return
  const ofAccount = annotationsOf(collection.set, account, manifest)
  const clientId = ofAccount[clientIdAnnotation]?.trim() ?? ''
  if (clientId === '') return
  const use = useOf(collection, { user: manifest, account, clientId, annotations: ofAccount })
  const { apiVersion, kind, name } = manifest
  // One with generateName has none.
  if ((name !== '' && !isObjectName(name)) || !isKindName(apiVersion, kind)) {
    problem(collection, manifest, 'is not the name of a workload')
    return
  }
  const throughProxy = annotations[bindingAnnotation] === 'true'
  if (use !== undefined) addOnce(use.workloads, { apiVersion, kind, name, podPath: path, throughProxy })
}

interface Signer {
  user: Manifest
  account: string
  clientId: string
  annotations: Readonly<Record<string, string>>
}

function notAClient(id: string): string {
  if (hasPlaceholder(id))
    return 'its client id is a placeholder: fill in the manifests before, for example envsubst <FILE | keymount identity plan -'
  return `client id ${shown(id)} is not a UUID`
}

/** The use of this account and client so far; undefined, with a problem, for names that neither Kubernetes nor Entra would take. */
function useOf(
  collection: Collection,
  { user, account: given, clientId: id, annotations }: Signer,
): Collected | undefined {
  const clientId = id.toLowerCase()
  const namespace = user.namespace || collection.defaultNamespace
  const account = given || 'default'
  const refused = [
    ...(isUuid(clientId) ? [] : [notAClient(id)]),
    ...(isNamespaceName(namespace) ? [] : [`${shown(namespace)} is not the name of a namespace`]),
    ...(isObjectName(account) ? [] : [`${shown(account)} is not the name of a service account`]),
  ]
  for (const text of refused) problem(collection, user, text)
  if (refused.length > 0) return undefined
  const key = `${clientId} ${namespace} ${account}`
  const before = collection.uses.get(key)
  if (before !== undefined) return before
  const use: Collected = {
    clientId,
    namespace,
    account,
    subject: subjectOf({ namespace, name: account }),
    annotatedClient: (annotations[clientIdAnnotation] ?? '').trim().toLowerCase(),
    classes: new Map(),
    workloads: new Map(),
    reads: new Map(),
    readClasses: new Set(),
  }
  collection.uses.set(key, use)
  return use
}

function annotationsOf(set: ManifestSet, account: string, user: Manifest): Record<string, string> {
  const [found] = set.accountNamed(account || 'default', user)
  const annotations = recordOf(valueAt(found?.value, 'metadata', 'annotations')) ?? {}
  return Object.fromEntries(
    Object.entries(annotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function isNamespaceName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
}

function problem(
  { problems }: Collection,
  { file, kind, name }: Manifest | ClassManifest['manifest'],
  text: string,
): void {
  problems.add(`${file}: ${kind} ${shown(name)}: ${text}`)
}

function isKindName(apiVersion: string, kind: string): boolean {
  const [version = '', group, ...more] = apiVersion.split('/').toReversed()
  return (
    /^[A-Z][A-Za-z]{0,62}$/.test(kind) &&
    /^v[a-z0-9]{1,20}$/.test(version) &&
    (group === undefined || isObjectName(group)) &&
    more.length === 0
  )
}

/** Names come from files of anyone, and go to a terminal. */
function shown(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return /^[\w./:-]+$/.test(short) ? short : JSON.stringify(short)
}

function addOnce<T extends object>(list: Map<string, T>, one: T): void {
  list.set(JSON.stringify(one), one)
}

function bySubject(a: AccountUse, b: AccountUse): number {
  const [one, other] = [`${a.clientId} ${a.subject}`, `${b.clientId} ${b.subject}`]
  return one < other ? -1 : one > other ? 1 : 0
}
