import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, numberAt, recordsAt, setDefaults, textAt, textsAt } from '../api-object.ts'
import type { Store } from '../objects/store.ts'
import { checkRange } from '../validation/numbers.ts'
import type { Operation, Written } from './admission-request.ts'
import { matches, type Subject } from './resource-rules.ts'

/** One entry of a MutatingWebhookConfiguration or a ValidatingWebhookConfiguration. */
export interface Webhook {
  name: string
  clientConfig: unknown
  failurePolicy: string
  timeoutSeconds: number
  reviewVersions: readonly string[]
}

/** The kinds' names in the store. */
export const webhookConfigurations = {
  mutating: 'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  validating: 'validatingwebhookconfigurations.admissionregistration.k8s.io',
} as const

/** The webhooks that a write concerns, in the order of their configurations' names. */
export function webhooksFor(
  store: Store,
  kind: keyof typeof webhookConfigurations,
  subject: Subject,
  written: Written,
): Webhook[] {
  // A webhook that refused its own configuration could not be repaired.
  if (subject.row.group === 'admissionregistration.k8s.io') return []
  return store
    .list(webhookConfigurations[kind])
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((configuration) => recordsAt(configuration, 'webhooks'))
    .filter(({ rules, objectSelector, namespaceSelector }) =>
      matches(store, { rules: Array.isArray(rules) ? rules : [], objectSelector, namespaceSelector }, subject, written),
    )
    .map((webhook) => ({
      name: textAt(webhook, 'name'),
      clientConfig: webhook.clientConfig,
      failurePolicy: textAt(webhook, 'failurePolicy'),
      timeoutSeconds: numberAt(webhook, 'timeoutSeconds'),
      reviewVersions: textsAt(webhook, 'admissionReviewVersions'),
    }))
}

/** Defaults of the API server. https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/mutating-webhook-configuration-v1/ */
export function prepareWebhooks(configuration: ApiObject): void {
  for (const webhook of recordsAt(configuration, 'webhooks')) {
    setDefaults(webhook, {
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      ...(configuration.kind === 'MutatingWebhookConfiguration' && { reinvocationPolicy: 'Never' }),
      timeoutSeconds: 10,
    })
    const service = valueAt(webhook, 'clientConfig', 'service')
    if (typeof service === 'object' && service !== null) setDefaults(service as Record<string, unknown>, { port: 443 })
    for (const rule of recordsAt(webhook, 'rules')) setDefaults(rule, { scope: '*' })
  }
}

/** What is missing, and what the local cluster would silently not do: other operations, and conditions. */
export function validateWebhooks(causes: Causes, configuration: ApiObject, supported: readonly Operation[]): void {
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
      if (!supported.some((each) => each === operation))
        causes.unsupported(`${path}.rules.operations`, operation, supported)
    }
    if (recordsAt(webhook, 'matchConditions').length > 0) {
      causes.forbidden(`${path}.matchConditions`, 'not supported by the local cluster')
    }
  }
}
