import type { KubeObject, ObjectMeta, PodSpec, PodTemplate } from '#kubernetes/client'
import { proxyAnnotations, useLabel } from '../identity-keys.ts'
import { bindingLabel } from './plan-migration.ts'
import { addProxyContainers } from './proxy-containers.ts'

/**
 * How an application that asks IMDS gets tokens: by the sidecar that the webhook adds for an annotation, by containers in
 * its own manifest, or not at all, because its SDK supports workload identity.
 */
export type ProxyMode = 'annotation' | 'containers' | 'none'

export interface MigrationOptions {
  serviceAccountName: string
  proxy: ProxyMode
  proxyPort: number
  /** Of Keymount; the tag of the proxy's image. */
  version: string
}

interface Workload extends KubeObject {
  spec: { template?: PodTemplate; jobTemplate?: { spec: { template: PodTemplate } } } & Partial<PodSpec>
}

/** Copy of a workload as it is applied after the migration, without what the API server has added. */
export function migratedWorkload(owner: KubeObject, options: MigrationOptions): KubeObject {
  const workload = structuredClone(owner) as Workload
  const { apiVersion, kind, metadata, spec } = workload
  const result = { apiVersion, kind, metadata: cleanMetadata(metadata), spec } as Workload
  const template = templateOf(result)
  if (kind === 'Job') cleanJob(result)
  cleanPodSpec(template.spec)
  migrateTemplate(template, options)
  if (kind === 'Pod') return { ...result, metadata: template.metadata as ObjectMeta, spec: template.spec } as KubeObject
  return result
}

/** The template of the pods that a workload creates; for a pod, the pod itself. */
export function templateOf(workload: KubeObject): PodTemplate {
  const { metadata, spec } = workload as Workload
  const template = spec.template ?? spec.jobTemplate?.spec.template
  return template ?? { metadata, spec: spec as PodSpec }
}

/** Selectors cannot be changed, and pods must have the labels that they name. */
export function selectsByBinding({ spec }: KubeObject & { spec?: unknown }): boolean {
  const { selector } = (spec ?? {}) as { selector?: { matchLabels?: Record<string, string> } }
  return selector?.matchLabels?.[bindingLabel] !== undefined
}

function migrateTemplate(
  template: PodTemplate,
  { serviceAccountName, proxy, proxyPort, version }: MigrationOptions,
): void {
  const metadata = template.metadata ?? {}
  const { [bindingLabel]: _, ...labels } = metadata.labels ?? {}
  const port = proxyPort === 8000 ? {} : { [proxyAnnotations.port]: String(proxyPort) }
  const annotations =
    proxy === 'annotation'
      ? { ...metadata.annotations, [proxyAnnotations.inject]: 'true', ...port }
      : metadata.annotations
  template.metadata = {
    ...metadata,
    labels: { ...labels, [useLabel]: 'true' },
    ...(annotations === undefined ? {} : { annotations }),
  }
  template.spec.serviceAccountName = serviceAccountName
  // The old name of the same field: the API server sets it, and rejects two different values.
  delete (template.spec as { serviceAccount?: string }).serviceAccount
  if (proxy === 'containers') addProxyContainers(template.spec, { port: proxyPort, version })
}

const serverAnnotations = ['kubectl.kubernetes.io/last-applied-configuration', 'deployment.kubernetes.io/revision']

/** The metadata that the author of an object has written. */
export function cleanMetadata({ name, namespace, labels, annotations = {}, finalizers }: ObjectMeta): ObjectMeta {
  const kept = Object.entries(annotations).filter(([key]) => !serverAnnotations.includes(key))
  return {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
    ...(finalizers === undefined ? {} : { finalizers }),
  }
}

const jobLabels = ['controller-uid', 'job-name', 'batch.kubernetes.io/controller-uid', 'batch.kubernetes.io/job-name']

/** The API server generates the selector and the labels of a Job for each Job. */
function cleanJob(job: Workload): void {
  delete (job.spec as { selector?: unknown }).selector
  for (const metadata of [job.metadata, job.spec.template?.metadata]) {
    for (const label of jobLabels) delete metadata?.labels?.[label]
  }
}

/** Removes what admission has added to a pod. https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ */
function cleanPodSpec(spec: PodSpec): void {
  delete spec.nodeName
  withoutTokenVolume(spec, 'volumes')
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])])
    withoutTokenVolume(container, 'volumeMounts')
}

function withoutTokenVolume<K extends string>(holder: { [key in K]?: { name: string }[] }, key: K): void {
  const kept = holder[key]?.filter(({ name }) => !name.startsWith('kube-api-access-')) ?? []
  if (kept.length > 0) holder[key] = kept
  else delete holder[key]
}
