import { type Container, type DaemonSet, isPodReady, type Node, type Pod } from '#kubernetes/client'
import { driverName } from '#lab/home'
import { recordOf, stringOf } from '#lib/formats'
import { commandLine } from '#terminal'
import { driverApp, type NodeFacts, providerApp } from '../product-facts.ts'
import { fail, fine, hasFailed, notKnown, type Observation, warn } from '../step.ts'

const programs = [
  { app: driverApp, noun: 'driver', absent: 'driver-not-on-node', unready: 'driver-not-ready' },
  { app: providerApp, noun: 'provider', absent: 'provider-not-on-node', unready: 'provider-not-ready' },
] as const

type Program = (typeof programs)[number]

/** K2: driver and provider on the pod's node, and whether kubelet knows the driver. */
export function judgeNode(facts: NodeFacts, installCommand: string): Observation[] {
  const { pods, csiNode, name } = facts
  const ofPods =
    'why' in pods
      ? [notKnown(pods.why)]
      : programs.flatMap((program) => judgeProgram(program, facts, pods.value, installCommand))
  const isWrong = hasFailed(ofPods)
  const registration = 'why' in csiNode ? [notKnown(csiNode.why)] : judgeRegistration(facts)
  const skew = 'value' in pods ? judgeVersions(pods.value) : []
  const rest = isWrong ? [] : [...registration, ...skew, fine(`both run on ${name}, and kubelet knows the driver`)]
  return [...ofPods, ...rest]
}

function judgeProgram(program: Program, facts: NodeFacts, pods: readonly Pod[], installCommand: string): Observation[] {
  const here = pods.filter((pod) => runs(program, pod) && pod.metadata.deletionTimestamp === undefined)
  const [pod] = here
  if (pod === undefined) return [absent(program, facts, installCommand)]
  // While an update replaces a pod, the other one of the same release works.
  const ofReleases = [...Map.groupBy(here, ({ metadata }) => `${metadata.namespace}/${releaseOf(metadata)}`).values()]
  const down = ofReleases.filter((group) => group.every((one) => !isPodReady(one)))
  const worksWithout = down.length < ofReleases.length
  return down.flatMap(([one]) => {
    if (one === undefined) return []
    const found = notReady(program, one, facts)
    // The volumes of the pod are those of the driver with our name, which has one of the providers.
    const isOther = program.noun === 'driver' ? hasOtherName(one) : worksWithout
    return facts.isOfPod === true && isOther ? [{ ...found, state: 'warn' as const }] : [found]
  })
}

function hasOtherName({ spec }: Pod): boolean {
  const args = spec.containers.flatMap((container) => container.args ?? [])
  return args.some((arg) => arg.startsWith('--drivername=') && arg !== `--drivername=${driverName}`)
}

/** Two drivers of different names are two releases. */
function releaseOf({ labels = {} }: Pod['metadata']): string {
  return labels['app.kubernetes.io/instance'] ?? ''
}

/** With the chart's `combined`, both programs are in the driver's pod. */
function runs({ app, noun }: Program, { metadata, spec }: Pod): boolean {
  if (metadata.labels?.app === app) return true
  return noun === 'provider' && metadata.labels?.app === driverApp && isCombined(spec.containers)
}

function isCombined(containers: readonly Container[]): boolean {
  return containers.some(({ args = [], command = [] }) => [...command, ...args].includes('node'))
}

function absent({ app, noun, absent: code }: Program, facts: NodeFacts, installCommand: string): Observation {
  const text = `no pod of the ${noun} runs on node ${facts.name}`
  const sets = 'value' in facts.daemonSets ? facts.daemonSets.value : []
  const set = sets.find(({ metadata, spec }) => metadata.labels?.app === app || spec.selector.matchLabels?.app === app)
  if (set === undefined && 'value' in facts.daemonSets) {
    return fail(code, `${text}, and there is no DaemonSet of it`, [installCommand])
  }
  const node = 'value' in facts.node ? facts.node.value : undefined
  const reason = set === undefined || node === undefined ? undefined : whyNotHere(set, node)
  if (reason !== undefined) return fail(code, `${text}: ${reason.text}`, [reason.fix])
  const { namespace = 'kube-system', name = '' } = set?.metadata ?? {}
  return fail(code, text, [commandLine('kubectl', 'describe', 'daemonset', name, '--namespace', namespace)])
}

interface Taint {
  key: string
  value?: string
  effect: string
}

/** Labels that the DaemonSet asks for, and taints that it does not tolerate. */
function whyNotHere({ metadata, spec }: DaemonSet, node: Node): { text: string; fix: string } | undefined {
  const { name = '' } = metadata
  const nodeName = node.metadata.name ?? ''
  const labels = node.metadata.labels ?? {}
  const wanted = Object.entries(spec.template.spec.nodeSelector ?? {}).find(([key, value]) => labels[key] !== value)
  if (wanted !== undefined) {
    const [key, value] = wanted
    return {
      text: `DaemonSet ${name} selects nodes with the label ${key}=${value}, which the node does not have`,
      fix: commandLine('kubectl', 'label', 'node', nodeName, '--overwrite', `${key}=${value}`),
    }
  }
  const taints = (recordOf(node.spec)?.taints ?? []) as Taint[]
  const taint = taints.find(
    (one) => one.effect !== 'PreferNoSchedule' && !tolerates(spec.template.spec.tolerations, one),
  )
  if (taint === undefined) return undefined
  const toleration = { key: taint.key, operator: 'Exists', effect: taint.effect }
  const patch = [{ op: 'add', path: '/spec/template/spec/tolerations/-', value: toleration }]
  const words = ['kubectl', 'patch', 'daemonset', name, '--namespace', metadata.namespace ?? 'kube-system']
  return {
    text: `DaemonSet ${name} does not tolerate the taint ${taint.key}:${taint.effect} of the node; chart value linux.tolerations`,
    fix: commandLine(...words, '--type', 'json', '--patch', JSON.stringify(patch)),
  }
}

function tolerates(tolerations: readonly unknown[] = [], { key, effect }: Taint): boolean {
  return tolerations.some((one) => {
    const toleration = recordOf(one)
    const ofKey = stringOf(toleration?.key)
    const ofEffect = stringOf(toleration?.effect)
    return (ofKey === undefined || ofKey === key) && (ofEffect === undefined || ofEffect === '' || ofEffect === effect)
  })
}

function notReady({ noun, unready: code }: Program, pod: Pod, { logs }: NodeFacts): Observation {
  const { namespace = '', name = '' } = pod.metadata
  const container = pod.status?.containerStatuses?.find(({ ready }) => !ready)
  const { waiting, terminated } = container?.state ?? {}
  const state = [waiting?.reason ?? terminated?.reason, waiting?.message].filter(Boolean).join(': ')
  const last = logs.get(`${name}/${container?.name}`)
  const details = [state, last === undefined ? '' : `its log ends with: ${last}`].filter(Boolean).join('; ')
  const text = `pod ${namespace}/${name} of the ${noun} is not ready${details === '' ? '' : `: ${details}`}`
  return fail(code, text, [
    commandLine('kubectl', 'logs', '--namespace', namespace, name, '--all-containers', '--tail', '20'),
  ])
}

function judgeRegistration({ csiNode, daemonSets, name }: NodeFacts): Observation[] {
  const drivers = 'value' in csiNode ? (csiNode.value?.spec.drivers ?? []) : []
  if (drivers.some((driver) => driver.name === driverName)) return []
  const sets = 'value' in daemonSets ? daemonSets.value : []
  const set = sets.find(({ metadata }) => metadata.labels?.app === driverApp)
  const { namespace = 'kube-system', name: setName = driverApp } = set?.metadata ?? {}
  return [
    fail('driver-not-registered', `kubelet of ${name} does not know the driver: its CSINode object does not list it`, [
      commandLine('kubectl', 'rollout', 'restart', `daemonset/${setName}`, '--namespace', namespace),
    ]),
  ]
}

function judgeVersions(pods: readonly Pod[]): Observation[] {
  const images = new Set(pods.flatMap(({ spec }) => spec.containers[0]?.image ?? []))
  if (images.size < 2) return []
  const text = `driver and provider are of different images: ${[...images].join(', ')}`
  return [warn('version-skew', text)]
}
