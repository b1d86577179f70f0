import type { KubeObject, Resource } from '../../kube/index.ts'
import { bundleHas, joinBundle } from './ca-bundle.ts'

/** As far as we look at it. */
export interface MutatingWebhookConfiguration extends KubeObject {
  webhooks?: { name: string; clientConfig: { caBundle?: string; service?: { name: string; namespace: string } } }[]
}

export const webhookConfigurations: Resource<MutatingWebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
  kind: 'MutatingWebhookConfiguration',
  namespaced: false,
}

export interface ServiceRef {
  name: string
  namespace: string
}

/** The CA bundles of the entries that lead to our service, as PEM. */
function bundlesOf({ webhooks = [] }: MutatingWebhookConfiguration, service: ServiceRef) {
  return webhooks
    .map(({ name, clientConfig }, index) => ({ name, index, ...clientConfig }))
    .filter((entry) => entry.service?.name === service.name && entry.service.namespace === service.namespace)
    .map(({ name, index, caBundle = '' }) => ({
      name,
      index,
      bundle: Buffer.from(caBundle, 'base64').toString('utf8'),
    }))
}

/** Whether every entry of ours trusts a certificate of this authority, and there is one. */
export function trusts(configuration: MutatingWebhookConfiguration, service: ServiceRef, authority: string): boolean {
  const bundles = bundlesOf(configuration, service)
  return bundles.length > 0 && bundles.every(({ bundle }) => bundleHas(bundle, authority))
}

/**
 * The JSON patch that makes our entries trust these authorities beside those that they trust already; undefined when they
 * do. It names the version that it was made from, so that nobody's change is lost, and touches nothing but the bundles.
 */
export function trustPatch(
  configuration: MutatingWebhookConfiguration,
  service: ServiceRef,
  authorities: readonly string[],
  now: number,
): object[] | undefined {
  const changes = bundlesOf(configuration, service).flatMap(({ name, index, bundle }) => {
    const wanted = joinBundle(bundle, authorities, now)
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
