import type { KubeObject, Resource } from '#kubernetes/client'
import { bundleHas, bundleHasOthers, joinBundle } from './ca-bundle.ts'

/** With the fields that we read. */
export interface WebhookConfiguration extends KubeObject {
  webhooks?: {
    name: string
    clientConfig: { caBundle?: string; service?: { name: string; namespace: string } }
    rules?: unknown[]
  }[]
}

/** Requests that the API server sends to a webhook. The type of the same name in admissionregistration.k8s.io/v1. */
export interface RuleWithOperations {
  apiGroups: readonly string[]
  apiVersions: readonly string[]
  operations: readonly string[]
  resources: readonly string[]
  scope: '*'
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
  /** What registers the webhook: the admission policy of charts/keymount allows us to add this rule and no other. */
  rule: RuleWithOperations
  /** Nothing is served before it trusts us. One that is not required may be missing, and delays no other. */
  required: boolean
}

export interface ServiceRef {
  name: string
  namespace: string
}

/** Whether there are entries of ours, and all of them trust a certificate of this authority. */
export function trusts(configuration: WebhookConfiguration, service: ServiceRef, authority: string): boolean {
  const bundles = ownEntries(configuration, service)
  return bundles.length > 0 && bundles.every(({ bundle }) => bundleHas(bundle, authority))
}

/** The entries that call our service, with their CA bundles as PEM. */
function ownEntries({ webhooks = [] }: WebhookConfiguration, service: ServiceRef) {
  return webhooks
    .map(({ name, clientConfig, rules = [] }, index) => ({ name, index, rules, ...clientConfig }))
    .filter((entry) => entry.service?.name === service.name && entry.service.namespace === service.namespace)
    .map(({ name, index, rules, caBundle = '' }) => ({
      name,
      index,
      rules,
      bundle: Buffer.from(caBundle, 'base64').toString('utf8'),
    }))
}

/** Whether entries of ours trust authorities other than this one: other replicas may present their certificates. */
export function trustsOthers(configuration: WebhookConfiguration, service: ServiceRef, authority: string): boolean {
  return ownEntries(configuration, service).some(({ bundle }) => bundleHasOthers(bundle, authority))
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
  const changes = ownEntries(configuration, service).flatMap(({ name, index, bundle }) => {
    const wanted = joinBundle(bundle, authorities, expiredAt)
    if (wanted === bundle) return []
    const value = Buffer.from(wanted).toString('base64')
    return [isEntry(index, name), { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value }]
  })
  return changes.length === 0 ? undefined : [isVersion(configuration), ...changes]
}

/** By it the chart recognizes rules that are ours, and leaves them out of its manifest: an upgrade must not remove them. */
const registered = { annotation: 'keymount.dev/registered-by', by: 'webhook' }

/**
 * The JSON patch that makes the API server call those of our entries that have no rules; undefined when all have some. Rules
 * of a user or another program are not changed.
 */
export function registerPatch(
  configuration: WebhookConfiguration,
  service: ServiceRef,
  rule: RuleWithOperations,
): object[] | undefined {
  const changes = ownEntries(configuration, service)
    .filter(({ rules }) => rules.length === 0)
    .flatMap(({ name, index }) => [
      isEntry(index, name),
      { op: 'add', path: `/webhooks/${index}/rules`, value: [rule] },
    ])
  if (changes.length === 0) return undefined
  const annotations = { ...configuration.metadata.annotations, [registered.annotation]: registered.by }
  return [isVersion(configuration), { op: 'add', path: '/metadata/annotations', value: annotations }, ...changes]
}

/** Fails a patch whose entry is not the one that it was made for. */
function isEntry(index: number, name: string): object {
  return { op: 'test', path: `/webhooks/${index}/name`, value: name }
}

/** Fails a patch with a conflict when the object has changed since. */
function isVersion({ metadata }: WebhookConfiguration): object {
  return { op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion }
}
