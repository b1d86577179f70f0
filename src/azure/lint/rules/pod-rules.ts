import { clientIdAnnotation } from '#azure/identity'
import { podAnnotations } from '#kubernetes/client'
import { formatProblem, nearestName } from '#lib'
import { listOf, recordOf, stringOf, textsOf, valueAt } from '#lib/formats'
import { hasPlaceholder } from '../class-manifest.ts'
import { type ManifestSet, mayShareNamespace } from '../manifest-set.ts'
import { type ContainerManifest, type PodManifest, secretsDriver } from '../pod-manifest.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'

const useLabel = 'azure.workload.identity/use'

export const podRules = {
  KL101: {
    title: 'class is not in the input',
    severity: 'warning',
    why: 'The pod waits in ContainerCreating until a class of this name is in its namespace.',
    right: 'a SecretProviderClass of this name in the namespace of the pod',
    check: missingClass,
  },
  KL102: {
    title: 'class is in another namespace',
    severity: 'error',
    why: 'A pod can only use a class of its own namespace.',
    right: 'create the class in the namespace of the pod',
    check: otherNamespace,
  },
  KL103: {
    title: 'volume is not readOnly',
    severity: 'error',
    why: 'The driver refuses a volume without `readOnly: true`, so the pod does not start.',
    right: 'csi.readOnly: true',
    check: notReadOnly,
  },
  KL104: {
    title: 'volume names no class',
    severity: 'error',
    why: 'The driver reads the class from the attribute `secretProviderClass`.',
    right: 'csi.volumeAttributes.secretProviderClass: NAME',
    check: noClass,
  },
  KL105: {
    title: 'driver name is wrong',
    severity: 'error',
    why: 'kubelet finds no driver of this name, and the pod does not start.',
    right: `csi.driver: ${secretsDriver}`,
    check: wrongDriver,
  },
  KL106: {
    title: 'volume by subPath',
    severity: 'warning',
    why: 'A file that is mounted by subPath never changes: kubelet does not update it after a rotation.',
    right: 'mount the whole volume, and give the file its path by objectAlias',
    check: subPath,
  },
  KL107: {
    title: 'two volumes on one path',
    severity: 'error',
    why: 'Kubernetes refuses a container that mounts two volumes at one path; two volumes of one class hold the same files.',
    right: 'one volume per class, each at a path of its own',
    check: onePath,
  },
  KL108: {
    title: 'mount hides system files',
    severity: 'warning',
    why: 'A volume replaces everything in the directory where it is mounted.',
    right: 'a directory of its own such as /mnt/secrets-store',
    check: systemPath,
  },
  KL109: {
    title: 'volume does not exist',
    severity: 'error',
    why: 'Kubernetes refuses a pod whose container mounts a volume that the pod does not have.',
    right: 'the name of a volume of the pod',
    check: missingVolume,
  },
  KL110: {
    title: 'workload identity label is misplaced',
    severity: 'warning',
    exception: 'info for a label of a service account',
    why: 'The webhook reads the label of the pod. On a Deployment, a service account or as an annotation it has no effect.',
    right: `the label ${useLabel}: "true" under spec.template.metadata.labels`,
    check: misplacedLabel,
  },
  KL111: {
    title: 'no workload identity label',
    severity: 'info',
    why: 'Volumes work without the label. Azure SDKs in the pod get no token without it.',
    right: `the label ${useLabel}: "true" on the pod, if the application uses an Azure SDK`,
    check: missingLabel,
  },
  KL112: {
    title: 'persistent volume of the driver',
    severity: 'error',
    why: 'The driver only serves volumes that are written in the pod (ephemeral inline volumes).',
    right: 'a csi volume in the pod',
    check: persistentVolume,
  },
  KL113: {
    title: 'nodePublishSecretRef lacks credentials',
    severity: 'error',
    why: 'The provider signs in as a service principal with the keys `clientid` and `clientsecret` (or `clientcertificate`) of this Secret.',
    right: 'the keys clientid and clientsecret',
    check: credentialKeys,
  },
  KL114: {
    title: 'file cannot be read by the user',
    severity: 'warning',
    why: 'Files belong to root, or to the fsGroup of the pod; a container of another user cannot read a file without rights for others.',
    right: 'securityContext.fsGroup of the pod with a filePermission such as 0440, or the parameter fileOwner',
    check: unreadableFile,
  },
  KL115: {
    title: 'version is not served',
    severity: 'error',
    why: 'The API server of this Kubernetes version does not know the apiVersion.',
    right: 'the version that Kubernetes serves',
    check: removedVersion,
  },
  KL116: {
    title: 'keymount.dev/env has no effect',
    severity: 'error',
    why: 'The webhook adds environment variables to pods that have its label, the annotation, and a volume of a SecretProviderClass. `keymount doctor` reports where a cluster has no such webhook.',
    right: `the annotation and the label ${useLabel}: "true" in the metadata of the pod or the pod template`,
    check: envWithoutEffect,
  },
  KL117: {
    title: 'annotation is not understood',
    severity: 'error',
    why: 'The webhook refuses a pod with a wrong `keymount.dev/env` or `keymount.dev/notify`; a workload with a wrong `keymount.dev/restart-…` is not restarted.',
    right: 'a value of the form that docs/environment-variables.md and docs/restart.md describe',
    check: wrongAnnotation,
  },
} as const satisfies RuleTable

function* missingClass({ pods, classes }: ManifestSet): Generator<RuleFinding> {
  const known = new Set(classes.map((one) => one.manifest.name))
  for (const { manifest, classVolumes } of pods)
    for (const { path, className } of classVolumes) {
      if (className === '' || known.has(className)) continue
      const near = nearestName(
        className,
        classes.filter((one) => mayShareNamespace(one.manifest, manifest)).map((one) => one.manifest.name),
      )
      const hint = near === undefined ? '' : ` (did you mean ${near}?)`
      const at = [...path, 'csi', 'volumeAttributes', 'secretProviderClass']
      yield { manifest, path: at, message: `SecretProviderClass "${className}" is not in the input${hint}` }
    }
}

function* otherNamespace({ pods, classNamed }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, classVolumes } of pods)
    for (const { path, className } of classVolumes) {
      const [first] = classNamed(className, { namespace: '' })
      if (first === undefined || classNamed(className, manifest).length > 0) continue
      yield {
        manifest,
        path: [...path, 'csi', 'volumeAttributes', 'secretProviderClass'],
        message: `SecretProviderClass "${className}" is in namespace ${first.manifest.namespace}, the pod in ${manifest.namespace}`,
      }
    }
}

function* notReadOnly({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, classVolumes } of pods)
    for (const { name, path, csi } of classVolumes)
      if (csi.readOnly !== true)
        yield {
          manifest,
          path: [...path, 'csi', 'readOnly'],
          message: `volume "${name}": csi.readOnly is ${csi.readOnly === undefined ? 'missing' : String(csi.readOnly)}`,
        }
}

function* noClass({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, classVolumes } of pods)
    for (const { name, path, attributes, className } of classVolumes) {
      if (className !== '') continue
      const near = nearestName('secretProviderClass', Object.keys(attributes))
      const hint = near === undefined ? '' : `: found "${near}", expected secretProviderClass`
      const at = [...path, 'csi', 'volumeAttributes', ...(near === undefined ? [] : [near])]
      yield { manifest, path: at, message: `volume "${name}" names no class${hint}` }
    }
}

function* wrongDriver({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, path, spec } of pods)
    for (const [index, volume] of (listOf(spec.volumes) ?? []).entries()) {
      const driver = stringOf(valueAt(volume, 'csi', 'driver')) ?? ''
      const isMeant =
        valueAt(volume, 'csi', 'volumeAttributes', 'secretProviderClass') !== undefined || /secrets?-store/.test(driver)
      // A second driver of ours may have any name that ends like this one.
      if (valueAt(volume, 'csi') === undefined || driver === secretsDriver || !isMeant) continue
      if (nearestName(driver, [secretsDriver]) === undefined && driver !== '') continue
      yield {
        manifest,
        path: [...path, 'spec', 'volumes', index, 'csi', 'driver'],
        message: driver === '' ? 'csi.driver is missing' : `csi.driver is "${driver}"`,
      }
    }
}

/** Mounts of a volume of the driver in the containers of a pod. */
function* classMounts(pod: PodManifest) {
  for (const container of pod.containers)
    for (const [index, mount] of mountsOf(container).entries()) {
      const volume = pod.classVolumes.find(({ name }) => name !== '' && name === mount.name)
      if (volume !== undefined)
        yield { container, index, mount, volume, path: [...container.path, 'volumeMounts', index] }
    }
}

function mountsOf({ value }: ContainerManifest): Record<string, unknown>[] {
  return (listOf(value.volumeMounts) ?? []).map((one) => recordOf(one) ?? {})
}

/** Without slashes at its end; empty where there is no path. */
function mountPathOf({ mountPath }: Record<string, unknown>): string {
  const path = typeof mountPath === 'string' ? mountPath : ''
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

function* subPath({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods)
    for (const { container, mount, path } of classMounts(pod))
      for (const field of ['subPath', 'subPathExpr'])
        if (typeof mount[field] === 'string' && mount[field] !== '')
          yield {
            manifest: pod.manifest,
            path: [...path, field],
            message: `container "${container.name}" mounts "${mount[field]}" by ${field}`,
          }
}

function* onePath({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods)
    for (const container of pod.containers) {
      const first = new Map<string, string>()
      for (const { mount, path } of classMounts({ ...pod, containers: [container] })) {
        const at = mountPathOf(mount)
        const other = mountsOf(container).find((one) => one !== mount && mountPathOf(one) === at && at !== '')
        if (other !== undefined && !first.has(at)) {
          first.set(at, String(other.name))
          const message = `container "${container.name}" mounts "${String(mount.name)}" and "${String(other.name)}" at ${at}`
          yield { manifest: pod.manifest, path: [...path, 'mountPath'], message }
        }
      }
    }
}

const systemDirectories =
  /^\/(|bin|boot|dev|etc|home|lib|lib64|opt|proc|root|run|sbin|sys|tmp|usr|var|app|var\/run|var\/run\/secrets(\/.*)?|etc\/ssl|etc\/ssl\/certs|usr\/(bin|lib|local|share)|usr\/src\/app)$/

function* systemPath({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods)
    for (const { container, mount, path } of classMounts(pod)) {
      const at = mountPathOf(mount)
      const hidesOthers = systemDirectories.test(at) && (mount.subPath === undefined || mount.subPath === '')
      if (hidesOthers)
        yield {
          manifest: pod.manifest,
          path: [...path, 'mountPath'],
          message: `container "${container.name}" mounts the volume over ${at}, and hides what the image has there`,
        }
    }
}

function* missingVolume({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, containers, spec, classVolumes } of pods) {
    if (classVolumes.length === 0) continue
    // A StatefulSet adds a volume per claim.
    const claims = listOf(valueAt(manifest.value, 'spec', 'volumeClaimTemplates')) ?? []
    const names = new Set([
      ...(listOf(spec.volumes) ?? []).map((one) => stringOf(valueAt(one, 'name')) ?? ''),
      ...claims.map((one) => stringOf(valueAt(one, 'metadata', 'name')) ?? ''),
    ])
    for (const container of containers)
      for (const [index, mount] of mountsOf(container).entries()) {
        const name = stringOf(mount.name) ?? ''
        if (names.has(name)) continue
        const near = nearestName(name, [...names])
        const hint = near === undefined ? '' : ` (did you mean ${near}?)`
        const path = [...container.path, 'volumeMounts', index, 'name']
        yield {
          manifest,
          path,
          message: `container "${container.name}" mounts the volume "${name}", which the pod does not have${hint}`,
        }
      }
  }
}

function* misplacedLabel({ pods, accounts }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods) {
    if (pod.labels[useLabel] !== undefined) {
      if (pod.labels[useLabel] !== 'true')
        yield {
          manifest: pod.manifest,
          path: [...pod.path, 'metadata', 'labels', useLabel],
          message: `label ${useLabel} is ${JSON.stringify(pod.labels[useLabel])}`,
          right: 'the text "true", in quotes',
        }
      continue
    }
    const places = [
      [...pod.path, 'metadata', 'annotations', useLabel],
      ['metadata', 'labels', useLabel],
      ['metadata', 'annotations', useLabel],
    ]
    const path = places.find((one) => valueAt(pod.manifest.value, ...one) !== undefined)
    if (path !== undefined)
      yield { manifest: pod.manifest, path, message: `${useLabel} is not a label of the pod, and has no effect here` }
  }
  for (const manifest of accounts)
    for (const field of ['labels', 'annotations']) {
      const path = ['metadata', field, useLabel]
      if (valueAt(manifest.value, ...path) === undefined) continue
      // Releases of the webhook before 1.0 wanted the label on the account too.
      const severity = field === 'labels' ? 'info' : 'warning'
      yield { manifest, path, message: `${useLabel} has no effect on a service account`, severity }
    }
}

const { env: envAnnotation } = podAnnotations

function* envWithoutEffect({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods) {
    const { manifest, path, labels, annotations, classVolumes } = pod
    const misplaced = ['metadata', 'annotations', envAnnotation]
    const inPlace = [...path, ...misplaced]
    if (annotations[envAnnotation] === undefined) {
      if (path.length > 0 && valueAt(manifest.value, ...misplaced) !== undefined)
        yield { manifest, path: misplaced, message: `${envAnnotation} is not an annotation of the pod template` }
    } else if (labels[useLabel] !== 'true')
      yield { manifest, path: inPlace, message: `the pod has ${envAnnotation}, and not the label ${useLabel}: "true"` }
    else if (classVolumes.length === 0)
      yield { manifest, path: inPlace, message: `the pod has ${envAnnotation}, and no volume of a SecretProviderClass` }
  }
}

function* wrongAnnotation({ pods, annotations: checks }: ManifestSet): Generator<RuleFinding> {
  if (checks === undefined) return
  for (const { manifest, path, classVolumes } of pods) {
    const classes = classVolumes.map(({ className }) => className)
    const found = [
      ...checks.ofPod(valueAt(manifest.value, ...path)).map((one) => ({ ...one, place: path })),
      // A pod is its own template.
      ...[[], ...(path.length > 0 ? [path] : [])].flatMap((place) =>
        checks
          .ofWorkload(textsOf(valueAt(manifest.value, ...place, 'metadata', 'annotations')), classes)
          .map((one) => ({ ...one, place })),
      ),
    ]
    for (const { place, ...problem } of found)
      if (!hasPlaceholder(problem.message))
        yield {
          manifest,
          path: [...place, 'metadata', 'annotations', problem.path],
          message: formatProblem(problem),
        }
  }
}

function* missingLabel({ pods, accountNamed }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods) {
    if (pod.account === '' || pod.labels[useLabel] !== undefined) continue
    const hasIdentity = accountNamed(pod.account, pod.manifest).some(
      ({ value }) => valueAt(value, 'metadata', 'annotations', clientIdAnnotation) !== undefined,
    )
    if (!hasIdentity) continue
    yield {
      manifest: pod.manifest,
      path: [...pod.path, 'metadata', 'labels'],
      message: `service account "${pod.account}" has an identity, and the pod has no label ${useLabel}`,
    }
  }
}

function* persistentVolume({ manifests }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of manifests) {
    const isVolume =
      manifest.kind === 'PersistentVolume' && valueAt(manifest.value, 'spec', 'csi', 'driver') === secretsDriver
    const isClass = manifest.kind === 'StorageClass' && manifest.value.provisioner === secretsDriver
    if (isVolume || isClass)
      yield {
        manifest,
        path: isVolume ? ['spec', 'csi', 'driver'] : ['provisioner'],
        message: `${secretsDriver} has no ${isVolume ? 'persistent volumes' : 'storage classes'}`,
      }
  }
}

function* credentialKeys({ pods, secretNamed }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, classVolumes } of pods)
    for (const { path, csi } of classVolumes) {
      const name = stringOf(valueAt(csi, 'nodePublishSecretRef', 'name')) ?? ''
      if (name === '') continue
      const at = [...path, 'csi', 'nodePublishSecretRef', 'name']
      const [found] = secretNamed(name, manifest)
      if (found === undefined) continue
      const keys = [...keysOf(found.value.data), ...keysOf(found.value.stringData)]
      const has = (key: string) => keys.some((one) => one.toLowerCase() === key)
      if (!has('clientid') || !(has('clientsecret') || has('clientcertificate')))
        yield { manifest, path: at, message: `Secret "${name}" has the keys ${keys.join(', ') || 'none'}` }
    }
}

function keysOf(data: unknown): string[] {
  return Object.keys(recordOf(data) ?? {})
}

function* unreadableFile({ pods, classNamed }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods) {
    if (valueAt(pod.spec, 'securityContext', 'fsGroup') !== undefined) continue
    for (const { container, volume, path } of classMounts(pod)) {
      const user =
        valueAt(container.value, 'securityContext', 'runAsUser') ?? valueAt(pod.spec, 'securityContext', 'runAsUser')
      if (typeof user !== 'number' || user === 0) continue
      const [found] = classNamed(volume.className, pod.manifest)
      if (found?.spec === undefined || found.spec.values.fileOwner !== '') continue
      const closed = found.spec.objects.find(({ mode }) => mode !== undefined && (mode & 0o004) === 0)
      if (closed === undefined) continue
      const mode = (closed.mode ?? 0).toString(8).padStart(4, '0')
      const message = `container "${container.name}" runs as user ${user} and cannot read "${closed.fileName}" (mode ${mode}): the pod has no fsGroup, and the class no fileOwner`
      yield { manifest: pod.manifest, path: [...path, 'name'], message }
    }
  }
}

interface Removal {
  /** The first minor version of Kubernetes 1 without the old kinds. */
  since: number
  /** What it serves instead. */
  now: string
  /** The old kinds, by their apiVersion. */
  old: Readonly<Record<string, readonly string[]>>
}

const policy = ['ValidatingAdmissionPolicy']
const removals: readonly Removal[] = [
  {
    since: 16,
    now: 'apps/v1',
    old: {
      'extensions/v1beta1': ['Deployment', 'DaemonSet'],
      'apps/v1beta1': ['Deployment', 'StatefulSet'],
      'apps/v1beta2': ['Deployment', 'DaemonSet', 'StatefulSet'],
    },
  },
  {
    since: 22,
    now: 'networking.k8s.io/v1',
    old: { 'extensions/v1beta1': ['Ingress'], 'networking.k8s.io/v1beta1': ['Ingress'] },
  },
  { since: 22, now: 'storage.k8s.io/v1', old: { 'storage.k8s.io/v1beta1': ['CSIDriver'] } },
  { since: 25, now: 'batch/v1', old: { 'batch/v1beta1': ['CronJob'] } },
  { since: 25, now: 'Pod Security Admission', old: { 'policy/v1beta1': ['PodSecurityPolicy'] } },
  { since: 32, now: 'admissionregistration.k8s.io/v1', old: { 'admissionregistration.k8s.io/v1alpha1': policy } },
  { since: 34, now: 'admissionregistration.k8s.io/v1', old: { 'admissionregistration.k8s.io/v1beta1': policy } },
]

function* removedVersion({ manifests, kubernetes }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of manifests) {
    const { apiVersion, kind } = manifest
    const removed = removals.find(({ old }) => Object.hasOwn(old, apiVersion) && old[apiVersion]?.includes(kind))
    if (removed === undefined || (kubernetes.major === 1 && kubernetes.minor < removed.since)) continue
    const message = `${kind} of ${apiVersion} is not served since Kubernetes 1.${removed.since}`
    yield { manifest, path: ['apiVersion'], message, right: removed.now }
  }
}
