import type { ManifestSet } from '../manifest-set.ts'
import type { RuleFinding } from '../rule.ts'

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

export function* removedVersion({ manifests, kubernetes }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of manifests) {
    const { apiVersion, kind } = manifest
    const removed = removals.find(({ old }) => Object.hasOwn(old, apiVersion) && old[apiVersion]?.includes(kind))
    if (removed === undefined || (kubernetes.major === 1 && kubernetes.minor < removed.since)) continue
    const message = `${kind} of ${apiVersion} is not served since Kubernetes 1.${removed.since}`
    yield { manifest, path: ['apiVersion'], message, right: removed.now }
  }
}
