import { tokenExchangeAudience } from '#azure/identity'
import type { Container, Pod, ServiceAccount } from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { identityAnnotations, useLabel } from '../identity-keys.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'

const tokenFileVariable = 'AZURE_FEDERATED_TOKEN_FILE'

export interface PodFacts {
  pod: Pod
  account: Answer<ServiceAccount | undefined>
  /** What makes the pod, a Deployment for example; undefined for a pod of its own. */
  owner: { kind: string; name: string } | undefined
  /** Whether something else than the webhook gives this pod its identity: a class with a client id. Undefined: not known. */
  signsInByClass: boolean | undefined
}

/** Whether the webhook has, or should have, given this pod its token. */
export function wantsWebhook({ pod, signsInByClass }: PodFacts): boolean {
  return asksForWebhook(pod) || signsInByClass !== true
}

function asksForWebhook(pod: Pod): boolean {
  return isInjected(pod) || pod.metadata.labels?.[useLabel] !== undefined
}

/** The label that asks for the webhook, and what the webhook has made of the pod. */
export function checkPod(facts: PodFacts): Finding[] {
  if (!wantsWebhook(facts)) {
    return [
      note('webhook', 'the pod does not ask for it: its classes name their identity, and that is enough for files'),
    ]
  }
  if (facts.signsInByClass === undefined && !asksForWebhook(facts.pod)) {
    return [unknown('label', `${useLabel} is missing, which is right only if the pod’s classes name an identity`)]
  }
  const label = checkLabel(facts)
  if (!isInjected(facts.pod)) return [label, ...(label.status === 'ok' ? [notInjected(facts)] : [])]
  return [label, ...checkInjected(facts)]
}

function checkLabel({ pod, owner }: PodFacts): Finding {
  const value = pod.metadata.labels?.[useLabel]
  if (value === 'true') return ok('label', `${useLabel}: "true"`)
  const found = value === undefined ? 'is missing' : `is "${value}"`
  const text = `${useLabel} ${found}, and must be "true" on the pod (on the service account it means nothing)`
  return problem('label', text, labelFix(pod, owner))
}

/** Labels of a running pod come too late: the webhook sees pods when they are made. */
function labelFix({ metadata }: Pod, owner: PodFacts['owner']): string[] {
  const namespace = ['--namespace', metadata.namespace ?? 'default']
  const template = { metadata: { labels: { [useLabel]: 'true' } } }
  if (owner === undefined) {
    const read = commandLine('kubectl', 'get', 'pod', metadata.name ?? '', ...namespace, '--output', 'json')
    const change = `kubectl label --local --overwrite --filename - ${useLabel}=true --output json`
    return [`${read} | ${change} | kubectl replace --force --filename -`]
  }
  const spec = owner.kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template }
  const patch = JSON.stringify({ spec })
  return [
    commandLine(
      'kubectl',
      'patch',
      owner.kind.toLowerCase(),
      owner.name,
      ...namespace,
      '--type',
      'merge',
      '--patch',
      patch,
    ),
  ]
}

function isInjected({ spec }: Pod): boolean {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])]
  return containers.some(({ env }) => env?.some(({ name }) => name === tokenFileVariable))
}

function notInjected({ pod, owner }: PodFacts): Finding {
  const text = 'the pod has the label and no token: no webhook has seen it when it was made'
  return problem('token', text, restartFix(pod, owner))
}

function restartFix({ metadata }: Pod, owner: PodFacts['owner']): string[] {
  const namespace = ['--namespace', metadata.namespace ?? 'default']
  const restarts = ['Deployment', 'DaemonSet', 'StatefulSet']
  if (owner !== undefined && restarts.includes(owner.kind)) {
    return [commandLine('kubectl', 'rollout', 'restart', `${owner.kind.toLowerCase()}/${owner.name}`, ...namespace)]
  }
  const remove = commandLine('kubectl', 'delete', 'pod', metadata.name ?? '', ...namespace)
  return [owner === undefined ? `${remove}  # and make it again` : remove]
}

function checkInjected(facts: PodFacts): Finding[] {
  const { pod } = facts
  const containers = pod.spec.containers.filter(({ env }) => env?.some(({ name }) => name === tokenFileVariable))
  const without = pod.spec.containers.filter((container) => !containers.includes(container)).map(({ name }) => name)
  const token = ok(
    'token',
    `is in ${containers.map(({ name }) => name).join(', ')}${without.length === 0 ? '' : `, not in ${without.join(', ')}`}`,
  )
  return [token, ...checkAudience(pod), ...checkStale(facts, containers)]
}

function checkAudience({ spec }: Pod): Finding[] {
  const tokens = (spec.volumes ?? [])
    .filter(({ name }) => name.startsWith('azure-workload-identity-reserved-') || name === 'azure-identity-token')
    .flatMap(({ projected }) => projected?.sources ?? [])
    .flatMap(({ serviceAccountToken }) => serviceAccountToken ?? [])
  if (tokens.length === 0) return [problem('token volume', 'the environment names a token file, and no volume has it')]
  const audiences = tokens.map(({ audience = '' }) => audience)
  if (audiences.includes(tokenExchangeAudience)) return [ok('audience', tokenExchangeAudience)]
  return [note('audience', `${audiences.join(', ')}: not the one of Entra; right with an identity binding only`)]
}

/** What changes at the service account never reaches a pod that is there already. */
function checkStale({ pod, account, owner }: PodFacts, containers: readonly Container[]): Finding[] {
  if ('why' in account || account.value === undefined) return []
  const annotations = account.value.metadata.annotations ?? {}
  const rows = [
    { check: 'client', variable: 'AZURE_CLIENT_ID', wanted: annotations[identityAnnotations.clientId] },
    { check: 'pod tenant', variable: 'AZURE_TENANT_ID', wanted: annotations[identityAnnotations.tenantId] },
  ]
  return rows.flatMap(({ check, variable, wanted }) => {
    const values = new Set(containers.flatMap(({ env }) => env?.find(({ name }) => name === variable)?.value ?? []))
    const [found] = values
    if (wanted === undefined || wanted === '') return []
    if (values.size === 1 && found === wanted) return []
    const text = `the pod has ${variable} ${found === undefined ? 'not set' : found}, the service account says ${wanted}: it was annotated after the pod was made, or the pod sets it itself`
    return [problem(check, text, restartFix(pod, owner))]
  })
}

/** The service account itself. */
export function checkServiceAccount(
  { namespace, name }: { namespace: string; name: string },
  account: Answer<ServiceAccount | undefined>,
  signsInByClass: boolean | undefined,
): Finding[] {
  if ('why' in account) return [unknown('service account', account.why)]
  if (account.value === undefined) {
    const fix = commandLine('kubectl', 'create', 'serviceaccount', name, '--namespace', namespace)
    return [problem('service account', `${namespace}/${name} does not exist`, [fix])]
  }
  const { annotations = {}, labels = {} } = account.value.metadata
  const clientId = annotations[identityAnnotations.clientId] ?? ''
  const misplaced =
    labels[useLabel] === undefined ? [] : [note('label', `${useLabel} on a service account means nothing`)]
  return [clientIdFinding(clientId), ...misplaced]

  function clientIdFinding(found: string): Finding {
    const command = commandLine('kubectl', 'annotate', 'serviceaccount', name, '--namespace', namespace, '--overwrite')
    const fix = [`${command} ${identityAnnotations.clientId}=CLIENT_ID`]
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(found)) return ok('client id', found)
    if (found !== '') return problem('client id', `${identityAnnotations.clientId} is "${found}", expected a UUID`, fix)
    const text = `the annotation ${identityAnnotations.clientId} is missing`
    if (signsInByClass === true) return note('client id', `${text}; the classes of the pod name it themselves`)
    return problem('client id', text, fix)
  }
}
