import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, mapAt, numberAt, recordsAt, setDefaults, textAt, textsAt } from '../api-object.ts'
import type { ResourceRow } from '../kinds/resource-row.ts'
import { selectorMatches } from '../objects/selectors.ts'
import type { Store } from '../objects/store.ts'
import { checkRange } from '../validation/numbers.ts'

/** One entry of a MutatingWebhookConfiguration. */
export interface Webhook {
  name: string
  clientConfig: unknown
  failurePolicy: string
  timeoutSeconds: number
  reviewVersions: readonly string[]
}

/** The kind's name in the store. */
export const webhookConfigurations = 'mutatingwebhookconfigurations.admissionregistration.k8s.io'

/** The webhooks that a creation concerns, in the order in which they are called. */
export function webhooksFor(
  store: Store,
  {
    row,
    version,
    namespace,
    object,
  }: { row: ResourceRow; version: string; namespace: string | undefined; object: ApiObject },
): Webhook[] {
  // A webhook that refused its own configuration could not be repaired.
  if (row.group === 'admissionregistration.k8s.io') return []
  const namespaceLabels =
    namespace === undefined ? undefined : store.get('namespaces', undefined, namespace)?.metadata.labels
  return store
    .list(webhookConfigurations)
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((configuration) => recordsAt(configuration, 'webhooks'))
    .filter((webhook) => recordsAt(webhook, 'rules').some((rule) => ruleFits(rule, row, version)))
    .filter((webhook) => selectorMatches(webhook.objectSelector, mapAt(object, 'metadata', 'labels')))
    .filter((webhook) => namespaceLabels === undefined || selectorMatches(webhook.namespaceSelector, namespaceLabels))
    .map((webhook) => ({
      name: textAt(webhook, 'name'),
      clientConfig: webhook.clientConfig,
      failurePolicy: textAt(webhook, 'failurePolicy'),
      timeoutSeconds: numberAt(webhook, 'timeoutSeconds'),
      reviewVersions: textsAt(webhook, 'admissionReviewVersions'),
    }))
}

function ruleFits(rule: unknown, { group, plural, namespaced }: ResourceRow, version: string): boolean {
  const has = (field: string, value: string) => textsAt(rule, field).some((one) => one === '*' || one === value)
  const scope = textAt(rule, 'scope')
  const inScope = scope === '' || scope === '*' || (scope === 'Namespaced') === namespaced
  return (
    has('operations', 'CREATE') &&
    has('apiGroups', group) &&
    has('apiVersions', version) &&
    has('resources', plural) &&
    inScope
  )
}

/** Defaults of the API server. https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/mutating-webhook-configuration-v1/ */
export function prepareWebhooks(configuration: ApiObject): void {
  for (const webhook of recordsAt(configuration, 'webhooks')) {
    setDefaults(webhook, {
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      reinvocationPolicy: 'Never',
      timeoutSeconds: 10,
    })
    const service = valueAt(webhook, 'clientConfig', 'service')
    if (typeof service === 'object' && service !== null) setDefaults(service as Record<string, unknown>, { port: 443 })
    for (const rule of recordsAt(webhook, 'rules')) setDefaults(rule, { scope: '*' })
  }
}

/** What is missing, and what the local cluster would silently not do: webhooks are called at CREATE, and without conditions. */
export function validateWebhooks(causes: Causes, configuration: ApiObject): void {
  for (const [index, webhook] of recordsAt(configuration, 'webhooks').entries()) {
    const path = `webhooks[${index}]`
    const client = webhook.clientConfig
    if (textAt(webhook, 'name') === '') causes.required(`${path}.name`)
    checkRange(causes, `${path}.timeoutSeconds`, webhook.timeoutSeconds, 1, 30)
    if (textsAt(webhook, 'admissionReviewVersions').length === 0) causes.required(`${path}.admissionReviewVersions`)
    if (textAt(client, 'url') === '' && textAt(client, 'service', 'name') === '') {
      causes.required(`${path}.clientConfig`, 'exactly one of url or service is required')
    }
    for (const operation of recordsAt(webhook, 'rules').flatMap((rule) => textsAt(rule, 'operations'))) {
      if (operation !== 'CREATE') causes.unsupported(`${path}.rules.operations`, operation, ['CREATE'])
    }
    if (recordsAt(webhook, 'matchConditions').length > 0) {
      causes.forbidden(`${path}.matchConditions`, 'not supported by the local cluster')
    }
  }
}
