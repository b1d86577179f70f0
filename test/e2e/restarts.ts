import {
  type KubeClient,
  type Pod,
  type Resource,
  resources,
  statusAnnotations,
  type UntypedObject,
  versionHash,
} from '#kubernetes/client'
import { stringOf, valueAt } from '#lib/formats'

/** Where a workload of these tests is. */
export interface Place {
  kube: KubeClient
  namespace: string
}

/** The manifest of a workload whose pods mount a class at /mnt/secrets-store, and which asks to be restarted. */
export function restartedWorkload(
  place: { namespace: string; driver: string; className: string; serviceAccount: string },
  kind: string,
  name: string,
  spec: object,
): UntypedObject {
  const labels = { app: name }
  const container = {
    name: 'app',
    image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4',
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sleep', '3600'],
    volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets-store', readOnly: true }],
  }
  const volumeAttributes = { secretProviderClass: place.className }
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { namespace: place.namespace, name, annotations: { 'keymount.dev/restart-on-rotation': 'true' } },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { keep: 'this' } },
        spec: {
          serviceAccountName: place.serviceAccount,
          terminationGracePeriodSeconds: 0,
          containers: [container],
          volumes: [{ name: 'secrets', csi: { driver: place.driver, readOnly: true, volumeAttributes } }],
        },
      },
      ...spec,
    },
  }
}

export async function runningPods({ kube, namespace }: Place, app: string): Promise<Pod[]> {
  const { items } = await kube.list(resources.pods, { namespace, labelSelector: `app=${app}` })
  return items.filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === 'Running')
}

export interface Mounted {
  /** Of the object in the vault. */
  version: string
  /** Whether the pod started with other versions than it has now. */
  isStale: boolean
}

/** What the running pods have now, by one read of their status objects: what a test judges, it judges of one state. */
export async function mountsOf(place: Place, app: string): Promise<Mounted[]> {
  const { kube, namespace } = place
  const names = new Set((await runningPods(place, app)).map(({ metadata }) => metadata.name))
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace })
  return items
    .filter(({ status }) => names.has(status?.podName))
    .map(({ metadata, status }) => {
      const have = versionHash(status?.secretProviderClassName ?? '', status?.objects ?? [])
      return {
        version: status?.objects?.[0]?.version ?? '',
        isStale: metadata.annotations?.[statusAnnotations.startedWith] !== have,
      }
    })
}

/** Pauses a Deployment for what is done, also when that fails. */
export async function whilePaused({ kube, namespace }: Place, name: string, work: () => Promise<void>): Promise<void> {
  const pause = (paused: boolean) => kube.patch(resources.deployments, { namespace, name }, { spec: { paused } })
  await pause(true)
  try {
    await work()
  } finally {
    await pause(false)
  }
}

/** The key that a workload was last rolled out for. */
export async function restartedFor(
  { kube, namespace }: Place,
  name: string,
  resource: Resource<UntypedObject> = resources.deployments,
): Promise<string | undefined> {
  return restartKeyOf(await kube.get(resource, { namespace, name }))
}

export function restartKeyOf(object: UntypedObject): string | undefined {
  return stringOf(valueAt(object, 'spec', 'template', 'metadata', 'annotations', 'keymount.dev/restarted-for'))
}

export async function replicaSets({ kube, namespace }: Place, app: string): Promise<UntypedObject[]> {
  return (await kube.list(resources.replicaSets, { namespace, labelSelector: `app=${app}` })).items
}
