import type { KubeObject, Resource } from '#kubernetes/client'
import { bundleHas, bundleHasOthers, joinBundle } from './ca-bundle.ts'

/** With the fields that we read. */
export interface WebhookConfiguration extends KubeObject {
  webhooks?: { name: string; clientConfig: { caBundle?: string; service?: { name: string; namespace: string } } }[]
}

const common = { group: 'admissionregistration.k8s.io', version: 'v1', namespaced: false }

export const mutatingConfigurations: Resource<WebhookConfiguration> = {
  ...common,
  plural: 'mutatingwebhookconfigurations',
  kind: 'MutatingWebhookConfiguration',
}

export const validatingConfigurations: Resource<WebhookConfiguration> = {
  ...common,
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
}

/** A configuration that makes the API server call us. */
export interface ConfigurationRef {
  resource: Resource<WebhookConfiguration>
  name: string
  /** Nothing is served before it trusts us. One that is not required may be missing, and delays no other. */
  required: boolean
}

export interface ServiceRef {
  name: string
  namespace: string
}

/** The CA bundles of the entries that call our service, as PEM. */
function bundlesOf({ webhooks = [] }: WebhookConfiguration, service: ServiceRef) {
  return webhooks
    .map(({ name, clientConfig }, index) => ({ name, index, ...clientConfig }))
    .filter((entry) => entry.service?.name === service.name && entry.service.namespace === service.namespace)
    .map(({ name, index, caBundle = '' }) => ({
      name,
      index,
      bundle: Buffer.from(caBundle, 'base64').toString('utf8'),
    }))
}

/** Whether there are entries of ours, and all of them trust a certificate of this authority. */
export function trusts(configuration: WebhookConfiguration, service: ServiceRef, authority: string): boolean {
  const bundles = bundlesOf(configuration, service)
  return bundles.length > 0 && bundles.every(({ bundle }) => bundleHas(bundle, authority))
}

/** Whether entries of ours trust authorities other than this one: other replicas may present their certificates. */
export function trustsOthers(configuration: WebhookConfiguration, service: ServiceRef, authority: string): boolean {
  return bundlesOf(configuration, service).some(({ bundle }) => bundleHasOthers(bundle, authority))
}

/**
 * The JSON patch that makes our entries trust these authorities in addition to those that they trust already; undefined when
 * they do. It names the version that it was made from, so that no other change is lost, and changes only the bundles.
 *
 * @param expiredAt see `joinBundle`
 */
export function trustPatch(
  configuration: WebhookConfiguration,
  service: ServiceRef,
  authorities: readonly string[],
  expiredAt: number | undefined,
): object[] | undefined {
  const changes = bundlesOf(configuration, service).flatMap(({ name, index, bundle }) => {
    const wanted = joinBundle(bundle, authorities, expiredAt)
    if (wanted === bundle) return []
    const value = Buffer.from(wanted).toString('base64')
    return [
      { op: 'test', path: `/webhooks/${index}/name`, value: name },
      { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value },
    ]
  })
  if (changes.length === 0) return undefined
  return [
    { op: 'replace', path: '/metadata/resourceVersion', value: configuration.metadata.resourceVersion },
    ...changes,
  ]
}
