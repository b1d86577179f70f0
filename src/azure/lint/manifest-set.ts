import type { Problem } from '#lib'
import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import { type ClassManifest, classManifest } from './class-manifest.ts'
import { type MadeSecret, secretsOfClass, secretsOfSync } from './made-secrets.ts'
import { type PodManifest, podManifest } from './pod-manifest.ts'
import type { Manifest } from './read-manifests.ts'
import type { Path } from './yaml-document.ts'

export interface KubernetesVersion {
  major: number
  minor: number
}

/** What the programs that read annotations do not accept of a workload's. The path of a problem is the name of the annotation. */
export interface AnnotationChecks {
  /** Of a pod or a pod template, with `metadata` and `spec`. */
  ofPod(pod: unknown): readonly Problem[]
  /** Of a workload or its pod template, whose pods mount these classes. */
  ofWorkload(annotations: Readonly<Record<string, string>>, classes: readonly string[]): readonly Problem[]
}

/** All objects of one check, by what the rules look at. */
export interface ManifestSet {
  manifests: readonly Manifest[]
  /** The version of the cluster that the manifests are for. */
  kubernetes: KubernetesVersion
  /** Undefined: annotations are not checked. */
  annotations: AnnotationChecks | undefined
  classes: readonly ClassManifest[]
  pods: readonly PodManifest[]
  accounts: readonly Manifest[]
  syncs: readonly Manifest[]
  secrets: readonly Manifest[]
  /** Secrets that classes and SecretSyncs of the set make. */
  made: readonly MadeSecret[]
  classNamed: Lookup<ClassManifest>
  accountNamed: Lookup<Manifest>
  secretNamed: Lookup<Manifest>
  madeNamed: Lookup<MadeSecret>
  /** Pods by the name of a class that they mount. */
  podsMounting: Lookup<PodManifest>
  /** Where pods, Ingresses and Gateways read Secrets, except for references that are marked optional. */
  uses: readonly SecretUse[]
}

/** Objects of a name that may be in the namespace of another one: at most 200. */
export type Lookup<T> = (name: string, beside: Pick<Manifest, 'namespace'>) => readonly T[]

export function manifestSet(
  manifests: readonly Manifest[],
  kubernetes: KubernetesVersion,
  annotations?: AnnotationChecks | undefined,
): ManifestSet {
  const ofKind = (kind: string) => manifests.filter((one) => one.kind === kind)
  const classes = ofKind('SecretProviderClass').map(classManifest)
  const syncs = ofKind('SecretSync')
  const pods = manifests.flatMap((one) => podManifest(one) ?? [])
  const [accounts, secrets] = [ofKind('ServiceAccount'), ofKind('Secret')]
  const made = [...classes.flatMap(secretsOfClass), ...syncs.flatMap(secretsOfSync)]
  return {
    manifests,
    kubernetes,
    annotations,
    classes,
    pods,
    accounts,
    syncs,
    secrets,
    made,
    classNamed: lookup(classes, ({ manifest }) => manifest),
    accountNamed: lookup(accounts, (manifest) => manifest),
    secretNamed: lookup(secrets, (manifest) => manifest),
    madeNamed: lookup(made, ({ name, manifest }) => ({ name, namespace: manifest.namespace })),
    podsMounting: podsMounting(pods),
    uses: [...pods.flatMap(usesOfPod), ...manifests.flatMap(usesOfRouting)],
  }
}

function podsMounting(pods: readonly PodManifest[]): Lookup<PodManifest> {
  const mounts = pods.flatMap((pod) => pod.classVolumes.map(({ className }) => ({ pod, className })))
  const find = lookup(mounts, ({ pod, className }) => ({ name: className, namespace: pod.manifest.namespace }))
  return (className, beside) => find(className, beside).map(({ pod }) => pod)
}

/** More objects of one name are a mistake, and comparing all with all takes time that grows with their square. */
const maxOfName = 100

function lookup<T>(list: readonly T[], keyOf: (one: T) => Pick<Manifest, 'name' | 'namespace'>): Lookup<T> {
  const byName = new Map<string, T[]>()
  const byNamespace = new Map<string, T[]>()
  const add = (map: Map<string, T[]>, key: string, one: T) => {
    const found = map.get(key)
    if (found === undefined) map.set(key, [one])
    else if (found.length < maxOfName) found.push(one)
  }
  for (const one of list) {
    const { name, namespace } = keyOf(one)
    add(byName, name, one)
    add(byNamespace, `${namespace}/${name}`, one)
  }
  return (name, { namespace }) =>
    namespace === ''
      ? (byName.get(name) ?? [])
      : [...(byNamespace.get(`${namespace}/${name}`) ?? []), ...(byNamespace.get(`/${name}`) ?? [])]
}

/** Whether two objects may be in one namespace: a manifest without one gets it when it is applied. */
export function mayShareNamespace(a: Pick<Manifest, 'namespace'>, b: Pick<Manifest, 'namespace'>): boolean {
  return a.namespace === '' || b.namespace === '' || a.namespace === b.namespace
}

/** A use of a Secret by name. */
export interface SecretUse {
  manifest: Manifest
  path: Path
  /** Of the Secret. */
  name: string
  /** The keys that are read, each with its path; empty where all are. */
  keys: readonly { key: string; path: Path }[]
  /** Undefined for an Ingress and a Gateway. */
  pod: PodManifest | undefined
  /** What it becomes in the pod. */
  as: 'environment' | 'files' | 'image pull' | 'certificate'
}

function usesOfPod(pod: PodManifest): SecretUse[] {
  const { manifest } = pod
  const uses: SecretUse[] = []
  const add = (as: SecretUse['as'], path: Path, reference: unknown, field = 'name', keys: SecretUse['keys'] = []) => {
    const name = stringOf(valueAt(reference, field))
    if (name === undefined || name === '' || valueAt(reference, 'optional') === true) return
    uses.push({ manifest, path: [...path, field], name, keys, pod, as })
  }
  for (const container of pod.containers) {
    for (const [index, one] of (listOf(container.value.env) ?? []).entries()) {
      const path = [...container.path, 'env', index, 'valueFrom', 'secretKeyRef']
      const reference = valueAt(one, 'valueFrom', 'secretKeyRef')
      const key = stringOf(valueAt(reference, 'key'))
      add('environment', path, reference, 'name', key === undefined ? [] : [{ key, path: [...path, 'key'] }])
    }
    for (const [index, one] of (listOf(container.value.envFrom) ?? []).entries())
      add('environment', [...container.path, 'envFrom', index, 'secretRef'], valueAt(one, 'secretRef'))
  }
  for (const [index, volume] of (listOf(pod.spec.volumes) ?? []).entries()) {
    const path = [...pod.path, 'spec', 'volumes', index]
    add(
      'files',
      [...path, 'secret'],
      valueAt(volume, 'secret'),
      'secretName',
      itemKeys([...path, 'secret'], valueAt(volume, 'secret')),
    )
    for (const [source, one] of (listOf(valueAt(volume, 'projected', 'sources')) ?? []).entries()) {
      const at = [...path, 'projected', 'sources', source, 'secret']
      add('files', at, valueAt(one, 'secret'), 'name', itemKeys(at, valueAt(one, 'secret')))
    }
  }
  for (const [index, one] of (listOf(pod.spec.imagePullSecrets) ?? []).entries())
    add('image pull', [...pod.path, 'spec', 'imagePullSecrets', index], one)
  return uses
}

function itemKeys(path: Path, source: unknown): SecretUse['keys'] {
  return (listOf(valueAt(source, 'items')) ?? []).flatMap((item, index) => {
    const key = stringOf(valueAt(item, 'key'))
    return key === undefined ? [] : [{ key, path: [...path, 'items', index, 'key'] }]
  })
}

function usesOfRouting(manifest: Manifest): SecretUse[] {
  const uses: SecretUse[] = []
  const add = (path: Path, name: unknown) => {
    if (typeof name === 'string' && name !== '')
      uses.push({ manifest, path, name, keys: [], pod: undefined, as: 'certificate' })
  }
  const spec = recordOf(manifest.value.spec)
  if (manifest.kind === 'Ingress')
    for (const [index, one] of (listOf(spec?.tls) ?? []).entries())
      add(['spec', 'tls', index, 'secretName'], valueAt(one, 'secretName'))
  if (manifest.kind === 'Gateway')
    for (const [index, listener] of (listOf(spec?.listeners) ?? []).entries())
      for (const [each, reference] of (listOf(valueAt(listener, 'tls', 'certificateRefs')) ?? []).entries())
        if (valueAt(reference, 'namespace') === undefined)
          add(['spec', 'listeners', index, 'tls', 'certificateRefs', each, 'name'], valueAt(reference, 'name'))
  return uses
}
