import { tokenExchangeAudience } from '#azure/identity'
import type { Container, Pod, ServiceAccount } from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { classVolumes } from '../../cluster/class-volumes.ts'
import { identityAnnotations, useLabel } from '../identity-keys.ts'
import { type Finding, note, ok, problem } from './finding.ts'

const tokenFileVariable = 'AZURE_FEDERATED_TOKEN_FILE'

/** What creates a pod, a Deployment for example. */
export interface PodOwner {
  kind: string
  name: string
  /** Variables that its template sets in a container; undefined if the template may not be read. */
  variables: readonly string[] | undefined
}

export interface PodFacts {
  pod: Pod
  account: Answer<ServiceAccount | undefined>
  /** Undefined for a pod that nothing else creates. */
  owner: PodOwner | undefined
}

/**
 * Whether the pod needs the webhook. It does if it asks for it. Without that, files of a class need nothing of the webhook,
 * and a pod without a class can only sign in by an SDK, which needs it.
 */
export function needsWebhook({ pod }: Pick<PodFacts, 'pod'>): boolean {
  return asksForWebhook(pod) || classVolumes(pod.spec).length === 0
}

function asksForWebhook(pod: Pod): boolean {
  return isInjected(pod) || pod.metadata.labels?.[useLabel] !== undefined
}

function isInjected({ spec }: Pod): boolean {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])]
  return containers.some(({ env }) => env?.some(({ name }) => name === tokenFileVariable))
}

/** The label that asks for the webhook, and what the webhook has done to the pod. */
export function checkPod(facts: PodFacts): Finding[] {
  const { pod } = facts
  if (!needsWebhook(facts)) {
    return [note('webhook', 'the pod does not ask for it, and the files of its classes do not need it')]
  }
  const label = checkPodLabel(facts)
  if (isInjected(pod)) return [label, ...checkInjected(facts)]
  return label.status === 'ok' ? [label, notInjected(facts)] : [label]
}

/** Whether the pod has the label that the API server calls the webhook for. */
export function checkPodLabel({ pod, owner }: Pick<PodFacts, 'pod' | 'owner'>): Finding {
  const value = pod.metadata.labels?.[useLabel]
  if (value === 'true') return ok('label', `${useLabel}: "true"`)
  const found = value === undefined ? 'is missing' : `is "${value}"`
  const text = `${useLabel} ${found}, and must be "true" on the pod (on the service account it has no effect)`
  if (owner?.kind === 'Job') {
    return problem(
      'label',
      'pod-label-missing',
      `${text}; the template of a Job cannot be changed: create the Job again with the label`,
    )
  }
  return problem('label', 'pod-label-missing', text, labelFix(pod, owner))
}

/** Labels of a running pod come too late: the webhook sees pods when they are created. */
function labelFix({ metadata }: Pod, owner: PodOwner | undefined): string[] {
  const namespace = ['--namespace', metadata.namespace ?? 'default']
  const template = { metadata: { labels: { [useLabel]: 'true' } } }
  if (owner === undefined) {
    const read = commandLine('kubectl', 'get', 'pod', metadata.name ?? '', ...namespace, '--output', 'json')
    const change = `kubectl label --local --overwrite --filename - ${useLabel}=true --output json`
    return [`${read} | ${change} | kubectl replace --force --filename -`]
  }
  return [patchOwner(owner, namespace, template)]
}

/** The command that changes the pod template of what creates a pod. */
export function patchOwner(
  { kind, name }: PodOwner,
  namespace: readonly string[],
  template: object,
  type: 'merge' | 'strategic' = 'merge',
): string {
  const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template }
  const patch = ['--type', type, '--patch', JSON.stringify({ spec })]
  return commandLine('kubectl', 'patch', kind.toLowerCase(), name, ...namespace, ...patch)
}

/** The command that makes the pods of an owner run as another service account. */
export function runAs(owner: PodOwner | undefined, namespace: string, account: string): string[] {
  if (owner === undefined || owner.kind === 'Job') return []
  return [patchOwner(owner, ['--namespace', namespace], { spec: { serviceAccountName: account } })]
}

function notInjected({ pod, owner }: PodFacts): Finding {
  const text = 'the pod has the label and no token: there was no webhook when it was created'
  return problem('token', 'pod-token-missing', text, restartFix(pod, owner))
}

/** The command that creates the pod again. */
export function restartFix({ metadata }: Pod, owner: PodOwner | undefined): string[] {
  const namespace = ['--namespace', metadata.namespace ?? 'default']
  const restarts = ['Deployment', 'DaemonSet', 'StatefulSet']
  if (owner !== undefined && restarts.includes(owner.kind)) {
    return [commandLine('kubectl', 'rollout', 'restart', `${owner.kind.toLowerCase()}/${owner.name}`, ...namespace)]
  }
  if (owner !== undefined) return [commandLine('kubectl', 'delete', 'pod', metadata.name ?? '', ...namespace)]
  const read = commandLine('kubectl', 'get', 'pod', metadata.name ?? '', ...namespace, '--output', 'json')
  return [`${read} | kubectl replace --force --filename -`]
}

function checkInjected(facts: PodFacts): Finding[] {
  const { pod } = facts
  const containers = pod.spec.containers.filter(({ env }) => env?.some(({ name }) => name === tokenFileVariable))
  const without = pod.spec.containers.filter((container) => !containers.includes(container)).map(({ name }) => name)
  const names = containers.map(({ name }) => name).join(', ')
  const token = ok('token', `is in ${names}${without.length === 0 ? '' : `, not in ${without.join(', ')}`}`)
  return [token, ...checkAudience(pod), ...checkStale(facts, containers)]
}

function checkAudience({ spec }: Pod): Finding[] {
  const tokens = (spec.volumes ?? [])
    .filter(({ name }) => name.startsWith('azure-workload-identity-reserved-') || name === 'azure-identity-token')
    .flatMap(({ projected }) => projected?.sources ?? [])
    .flatMap(({ serviceAccountToken }) => serviceAccountToken ?? [])
  if (tokens.length === 0)
    return [problem('token volume', 'pod-token-missing', 'the environment names a token file, but no volume has it')]
  const audiences = tokens.map(({ audience = '' }) => audience)
  if (audiences.includes(tokenExchangeAudience)) return [ok('audience', tokenExchangeAudience)]
  return [note('audience', `${audiences.join(', ')} is not the audience of Entra; right with an identity binding only`)]
}

/** A change of the service account never reaches a pod that exists already. What a pod sets itself is its own choice. */
function checkStale({ pod, account, owner }: PodFacts, containers: readonly Container[]): Finding[] {
  if ('why' in account || account.value === undefined) return []
  const annotations = account.value.metadata.annotations ?? {}
  const rows = [
    { check: 'client', variable: 'AZURE_CLIENT_ID', expected: annotations[identityAnnotations.clientId] },
    { check: 'pod tenant', variable: 'AZURE_TENANT_ID', expected: annotations[identityAnnotations.tenantId] },
  ]
  return rows.flatMap(({ check, variable, expected }) => {
    const values = new Set(containers.flatMap(({ env }) => env?.find(({ name }) => name === variable)?.value ?? []))
    const [found] = values
    if (expected === undefined || expected === '' || (values.size === 1 && found === expected)) return []
    const text = `the pod has ${variable} ${found ?? 'not set'}, the service account has ${expected}`
    const isOwn = owner?.variables?.includes(variable)
    if (isOwn === true) return [note(check, `${text}: the ${owner?.kind} sets it itself`)]
    if (isOwn === undefined) {
      return [note(check, `${text}: the pod sets it itself, or the service account was annotated after it was created`)]
    }
    return [
      problem(
        check,
        'pod-token-missing',
        `${text}: it was annotated after the pod was created`,
        restartFix(pod, owner),
      ),
    ]
  })
}
