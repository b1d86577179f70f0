import { type KubeObject, type SecretProviderClassPodStatus, statusAnnotations, versionHash } from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { PodFacts } from '../pod-facts.ts'
import { fail, fine, notKnown, type Observation, warn } from '../step.ts'

/** Marks the Secrets that the driver writes. Upstream's label. */
const managedLabel = 'secrets-store.csi.k8s.io/managed'

/** S1: the Secrets that the pod's classes make, and those that its containers wait for. */
export function judgeSecrets(facts: PodFacts): Observation[] {
  const { cluster, secrets, statuses } = facts
  const isMounted = 'value' in statuses && statuses.value.length > 0
  const wanted = cluster.classes.flatMap(({ className, class: found }) =>
    'value' in found
      ? (found.value?.spec?.secretObjects ?? []).map(({ secretName = '' }) => ({ className, secretName }))
      : [],
  )
  const ofClasses = wanted.flatMap(({ className, secretName }) => {
    const found = secrets.get(secretName)
    if (found === undefined) return []
    if ('why' in found) return [notKnown(`Secret ${secretName}: ${found.why}`)]
    if (found.value === undefined) return isMounted ? [missing(secretName, className)] : []
    return [judgeSecret(secretName, className, found.value)]
  })
  const behind = 'value' in statuses ? statuses.value.flatMap(judgeMirror) : []
  const waiting = judgeWaiting(facts, new Set(wanted.map(({ secretName }) => secretName)))
  if (wanted.length === 0 && waiting.length === 0) return [fine('the classes make none')]
  return [...ofClasses, ...behind, ...waiting]
}

function missing(name: string, className: string): Observation {
  return fail(
    'secret-missing',
    `the Secret ${name} of class ${className} does not exist, although a pod mounts the class`,
    [
      `helm upgrade keymount charts/keymount --namespace kube-system --reset-then-reuse-values --set syncSecret.enabled=true`,
    ],
  )
}

function judgeSecret(name: string, className: string, { metadata }: KubeObject): Observation {
  if (metadata.labels?.[managedLabel] === 'true') return fine(`Secret ${name} is written by class ${className}`)
  const { namespace = '' } = metadata
  const sync = metadata.ownerReferences?.find(({ kind }) => kind === 'SecretSync')
  const owner = sync === undefined ? 'something else made it' : `SecretSync ${sync.name} makes it`
  const text = `class ${className} asks for the Secret ${name}, and ${owner}: it is left alone`
  if (sync !== undefined) {
    return fail('secret-foreign', text, [
      commandLine('kubectl', 'delete', 'secretsync', sync.name, '--namespace', namespace),
    ])
  }
  return fail('secret-foreign', `${text}. The first command deletes it, so that the class can make it`, [
    commandLine('kubectl', 'delete', 'secret', name, '--namespace', namespace),
    `${commandLine('kubectl', 'get', 'secret', name, '--namespace', namespace)} --output jsonpath='{.metadata}'`,
  ])
}

/** Whether the Secrets carry the versions of the volume. */
function judgeMirror({ metadata, status }: SecretProviderClassPodStatus): Observation[] {
  const mirrored = metadata.annotations?.[statusAnnotations.mirroredFor]
  const className = status?.secretProviderClassName ?? ''
  const versions = (status?.objects ?? []).map(({ id = '', version = '' }) => ({ id, version }))
  if (mirrored === undefined || mirrored === versionHash(className, versions)) return []
  return [
    warn('secret-behind', `the Secrets of class ${className} carry other versions than the volume`, [
      commandLine('keymount', 'rotate', className, '-n', metadata.namespace ?? 'default'),
    ]),
  ]
}

/** Containers that kubelet cannot start for want of a Secret. */
function judgeWaiting({ cluster: { pod, classNames } }: PodFacts, wanted: ReadonlySet<string>): Observation[] {
  const { namespace = '' } = pod.metadata
  return (pod.status?.containerStatuses ?? []).flatMap(({ name, state }) => {
    if (state?.waiting?.reason !== 'CreateContainerConfigError') return []
    const { message = '' } = state.waiting
    const [, secret] = /secret "([^"]+)" not found/.exec(message) ?? []
    const text = `container ${name} waits: ${message}`
    if (secret === undefined) return [fail('secret-missing', text)]
    const advice = wanted.has(secret)
      ? ''
      : `; no class that the pod mounts makes it${classNames.length === 0 ? '' : `, the namespace has ${classNames.slice(0, 10).join(', ')}`}`
    return [
      fail('secret-missing', `${text}${advice}`, [
        commandLine('kubectl', 'get', 'secret', secret, '--namespace', namespace),
      ]),
    ]
  })
}
