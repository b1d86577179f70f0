import {
  apiVersionOf,
  ifFound,
  type OwnerReference,
  type Pod,
  type PodSpec,
  type Resource,
  resources,
  type Secret,
  type SecretObject,
  type SecretProviderClass,
} from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import { objectsAttribute } from '../support/fake-provider.ts'
import type { Lab } from '../support/lab.ts'
import { podReady } from './wait.ts'

/** Objects of the upstream cases: classes of the `e2e-provider`, pods and Deployments that mount them. */
export interface MockClass {
  namespace: string
  name: string
  /** Default `e2e-provider`. */
  provider?: string
  /** Default `foo` and `fookey`. */
  objects?: readonly string[]
  secretObjects?: readonly SecretObject[]
  parameters?: Record<string, string>
  /** Default v1. */
  version?: 'v1' | 'v1alpha1'
}

/** Where a class mounts in every pod here; of several, the second one has `-2` at its end, and so on. */
export const mountPath = '/mnt/secrets-store'

/** What `sleep` of the pods runs in: the image of the example, which the test cluster has. */
const image = 'registry.k8s.io/e2e-test-images/busybox:1.29-4'

export function classResource(version: 'v1' | 'v1alpha1'): Resource<SecretProviderClass> {
  return { ...resources.secretProviderClasses, version }
}

export async function createClass(lab: Lab, options: MockClass): Promise<void> {
  const { namespace, name, provider = 'e2e-provider', objects = ['foo', 'fookey'], version = 'v1' } = options
  const resource = classResource(version)
  await lab.kube.create(resource, {
    apiVersion: apiVersionOf(resource),
    kind: 'SecretProviderClass',
    metadata: { namespace, name },
    spec: {
      provider,
      parameters: { objects: objectsAttribute(objects), ...options.parameters },
      ...(options.secretObjects === undefined ? {} : { secretObjects: [...options.secretObjects] }),
    },
  })
}

/** The Secret of the upstream cases: the content of `foo` under the key `username`. */
export function fooSecret(secretName = 'foosecret'): SecretObject {
  return {
    secretName,
    type: 'Opaque',
    labels: { environment: 'test' },
    data: [{ objectName: 'foo', key: 'username' }],
  }
}

export interface MockPod {
  namespace: string
  name: string
  classes: readonly string[]
  /** Secret whose key `username` becomes the variable SECRET_USERNAME. */
  environmentFrom?: string
  nodePublishSecret?: string
}

function podSpec({ classes, environmentFrom, nodePublishSecret }: MockPod): PodSpec {
  const volumes = classes.map((className, i) => ({ className, name: `secrets${i}`, path: pathOf(i) }))
  const secretKeyRef = { name: environmentFrom ?? '', key: 'username' }
  return {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'busybox',
        image,
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/sleep', '10000'],
        ...(environmentFrom === undefined ? {} : { env: [{ name: 'SECRET_USERNAME', valueFrom: { secretKeyRef } }] }),
        volumeMounts: volumes.map(({ name, path }) => ({ name, mountPath: path, readOnly: true })),
      },
    ],
    volumes: volumes.map(({ name, className }) => ({
      name,
      csi: {
        driver: 'secrets-store.csi.k8s.io',
        readOnly: true,
        volumeAttributes: { secretProviderClass: className },
        ...(nodePublishSecret === undefined ? {} : { nodePublishSecretRef: { name: nodePublishSecret } }),
      },
    })),
  }
}

function pathOf(index: number): string {
  return index === 0 ? mountPath : `${mountPath}-${index + 1}`
}

export async function createPod(lab: Lab, pod: MockPod): Promise<void> {
  const { namespace, name } = pod
  const metadata = { namespace, name }
  await lab.kube.create(resources.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: podSpec(pod) })
}

export async function createReadyPod(lab: Lab, pod: MockPod): Promise<void> {
  await createPod(lab, pod)
  await podReady(lab, pod.namespace, pod.name)
}

/** A Deployment of two pods, whose names are given once they are Ready. */
export async function createDeployment(lab: Lab, pod: MockPod): Promise<string[]> {
  const { namespace, name } = pod
  const labels = { app: name }
  await lab.kube.create(resources.deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name },
    spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec(pod) } },
  })
  const names = await until(`two pods of ${name}`, async () => {
    const { items } = await lab.kube.list<Pod>(resources.pods, { namespace, labelSelector: `app=${name}` })
    return items.length === 2 ? items.map(({ metadata }) => metadata.name ?? '') : undefined
  })
  for (const podName of names) await podReady(lab, namespace, podName)
  return names
}

/** What the container sees; throws when there is no such file. */
export async function read(
  lab: Lab,
  { namespace, name }: { namespace: string; name: string },
  file: string,
  volume = 0,
): Promise<string> {
  return run(lab, { namespace, name }, ['cat', `${pathOf(volume)}/${file}`])
}

export async function run(
  lab: Lab,
  { namespace, name }: { namespace: string; name: string },
  command: readonly string[],
): Promise<string> {
  const { stdout, stderr, code } = await lab.exec(namespace, name, undefined, command)
  if (code !== 0) throw new Error(`${command.join(' ')} in ${namespace}/${name} ended with ${code}: ${stderr}`)
  return stdout
}

/** A Secret with its values as text; undefined if it does not exist. */
export async function secretOf(
  lab: Lab,
  ref: { namespace: string; name: string },
): Promise<
  | { values: Record<string, string>; labels: Record<string, string>; owners: OwnerReference[]; object: Secret }
  | undefined
> {
  const object = await ifFound(lab.kube.get(resources.secrets, ref))
  if (object === undefined) return undefined
  const { data = {}, metadata } = object
  const values = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])
  const { labels = {}, ownerReferences: owners = [] } = metadata
  return { values: Object.fromEntries(values) as Record<string, string>, labels, owners, object }
}

/** Waits until a Secret has this many owners; 0 for a Secret that is gone. */
export async function ownersOf(
  lab: Lab,
  ref: { namespace: string; name: string },
  count: number,
): Promise<OwnerReference[]> {
  return until(`${count} owners of Secret ${ref.name}`, async () => {
    const found = await secretOf(lab, ref)
    if (found === undefined) return count === 0 ? [] : undefined
    return count > 0 && found.owners.length === count ? found.owners : undefined
  })
}
