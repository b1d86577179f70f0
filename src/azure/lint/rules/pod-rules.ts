import { clientIdAnnotation } from '#azure/identity'
import { podAnnotations } from '#kubernetes/client'
import { formatProblem, nearestName } from '#lib'
import { listOf, recordOf, stringOf, textsOf, valueAt } from '#lib/formats'
import { hasPlaceholder } from '../class-manifest.ts'
import { type ManifestSet, mayShareNamespace } from '../manifest-set.ts'
import { secretsDriver } from '../pod-manifest.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'
import { missingVolume, onePath, subPath, systemPath, unreadableFile } from './mount-checks.ts'
import { removedVersion } from './removed-version.ts'

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
