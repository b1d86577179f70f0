import type { KubeObject, Namespace, Pod, Resource } from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { useLabel } from '../identity-keys.ts'
import { type Finding, ok, problem, unknown } from './finding.ts'

interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

interface Webhook {
  name: string
  clientConfig: { caBundle?: string; service?: { namespace: string; name: string } }
  namespaceSelector?: Selector
  objectSelector?: Selector
  rules?: unknown[]
}

export interface WebhookConfiguration extends KubeObject {
  webhooks?: Webhook[]
}

export const webhookConfigurations: Resource<WebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
}

export interface WebhookFacts {
  pod: Pod
  configurations: Answer<readonly WebhookConfiguration[]>
  namespace: Answer<Namespace | undefined>
  /** The command that installs the webhook. */
  installCommand: string
}

/** Whether a webhook for this label is installed, trusted, and called for this namespace. */
export function checkWebhook({ pod, configurations, namespace, installCommand }: WebhookFacts): Finding {
  if ('why' in configurations) return unknown('webhook', configurations.why)
  const found = identityWebhook(configurations.value)
  if (found === undefined) {
    return problem('webhook', 'webhook-not-ready', 'no webhook for workload identity is installed in this cluster', [
      installCommand,
    ])
  }
  const { configuration, webhook } = found
  const name = configuration.name ?? ''
  const { caBundle = '', service } = webhook.clientConfig
  const pods = service === undefined ? [] : [commandLine('kubectl', 'get', 'pods', '--namespace', service.namespace)]
  if (caBundle === '') {
    return problem(
      'webhook',
      'webhook-not-ready',
      `${name} has no caBundle yet, so the API server cannot call it; see its pods`,
      pods,
    )
  }
  if ((webhook.rules ?? []).length === 0) {
    return problem(
      'webhook',
      'webhook-not-ready',
      `${name} has no rules yet, so the API server does not call it; see its pods`,
      pods,
    )
  }
  if ('value' in namespace && !matches(webhook.namespaceSelector, namespace.value?.metadata.labels ?? {})) {
    return problem(
      'webhook',
      'webhook-not-ready',
      `${name} does not apply to namespace ${pod.metadata.namespace}: see its namespaceSelector`,
      [
        namespaceFix(webhook.namespaceSelector, namespace.value) ??
          commandLine('kubectl', 'get', 'mutatingwebhookconfiguration', name, '--output', 'yaml'),
      ],
    )
  }
  if (isExcludedByAks(pod, configuration)) {
    return problem(
      'webhook',
      'webhook-not-ready',
      `AKS does not call webhooks for ${pod.metadata.namespace} unless they ask for it`,
      [commandLine('kubectl', 'label', 'mutatingwebhookconfiguration', name, 'admissions.enforcer/disabled=true')],
    )
  }
  return ok('webhook', `${name} is installed`)
}

/** The webhook that is called for pods with the label; undefined if none is installed. */
export function identityWebhook(
  configurations: readonly WebhookConfiguration[],
): { configuration: KubeObject['metadata']; webhook: Webhook } | undefined {
  const [found] = configurations.flatMap(({ metadata, webhooks = [] }) =>
    webhooks.filter(isForIdentity).map((webhook) => ({ configuration: metadata, webhook })),
  )
  return found
}

function isForIdentity({ name, objectSelector }: Webhook): boolean {
  return name === 'mutation.azure-workload-identity.io' || objectSelector?.matchLabels?.[useLabel] === 'true'
}

/** AKS adds its control-plane selector to every webhook's namespaceSelector. https://learn.microsoft.com/azure/aks/faq */
function isExcludedByAks({ metadata }: Pod, configuration: KubeObject['metadata']): boolean {
  if (metadata.namespace !== 'kube-system') return false
  const enforcer = 'admissions.enforcer/disabled'
  return configuration.labels?.[enforcer] !== 'true' && configuration.annotations?.[enforcer] !== 'true'
}

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors */
export function matches(selector: Selector | undefined, labels: Record<string, string>): boolean {
  return requirementsOf(selector).every((one) => isMet(one, labels))
}

interface Requirement {
  key: string
  operator: string
  values?: string[]
}

function requirementsOf({ matchLabels = {}, matchExpressions = [] }: Selector = {}): Requirement[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In', values: [value] })),
    ...matchExpressions,
  ]
}

function isMet({ key, operator, values = [] }: Requirement, labels: Record<string, string>): boolean {
  const value = labels[key]
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  const isIn = value !== undefined && values.includes(value)
  return operator === 'NotIn' ? !isIn : isIn
}

/** The command that gives a namespace the labels that a selector asks for; undefined where labels cannot do it. */
function namespaceFix(selector: Selector | undefined, namespace: Namespace | undefined): string | undefined {
  const { name = '', labels = {} } = namespace?.metadata ?? {}
  const unmet = requirementsOf(selector).filter((one) => !isMet(one, labels))
  // The API server writes this one itself.
  if (name === '' || unmet.some(({ key }) => key === 'kubernetes.io/metadata.name')) return undefined
  const words = unmet.map(({ key, operator, values: [value = ''] = [] }) => {
    if (operator === 'NotIn' || operator === 'DoesNotExist') return `${key}-`
    return `${key}=${operator === 'Exists' ? 'true' : value}`
  })
  return commandLine('kubectl', 'label', 'namespace', name, '--overwrite', ...words)
}
