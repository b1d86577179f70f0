import {
  type ClassChange,
  classAnnotations,
  type KubeClient,
  objectKey,
  type Pod,
  parseClassChange,
  resources,
} from '#kubernetes/client'
import { productDeployment } from '#lab/home'
import { timestamp } from '#lib'
import { formatDuration } from '#lib/formats'
import { type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'
import { type Answer, attempt } from '../answer.ts'
import { withCluster } from '../cluster/open-cluster.ts'
import { notReadyText } from '../doctor/judge/judge-deployments.ts'
import { gatherDeployments, gatherProduct, namespacesOf, type ProductFacts } from '../doctor/product-facts.ts'
import type { ClusterOption } from '../options.ts'
import { type EventsFigures, readFigures } from './read-figures.ts'

export interface StatusCommand {
  json: boolean
  cluster: ClusterOption
  world: CliWorld
}

/** What can be found out about the operator and its events, with the rights of the caller. */
interface EventsStatus {
  /** `namespace/name` of the pods of the operator. */
  pods: Answer<readonly string[]>
  /** `namespace/name` of pods with the operator's label in other namespaces than the drivers: anyone can make one. */
  ignored: readonly string[]
  /** Of the pod that leads. */
  figures: Answer<EventsFigures>
  /** Sources of the operator that have answered neither with events nor with a refusal since it started. */
  unanswered: readonly string[]
  warnings: Answer<string[]>
  /** Classes that were annotated, the newest first. */
  changes: Answer<(ClassChange & { class: string })[]>
}

/** `keymount events status`: whether events arrive, how late, and what they led to. */
export async function eventsStatus({ json, cluster, world }: StatusCommand): Promise<number> {
  const terminal = createTerminal(world)
  return withCluster(cluster, world, async ({ kube }) => {
    const status = await terminal.wait('asking the operator', () => readStatus(kube))
    if (json) terminal.line(JSON.stringify(status, null, 2))
    else print(status, terminal, Date.now())
    const figures = 'value' in status.figures ? status.figures.value : undefined
    const works = figures !== undefined && figures.sources.length > 0 && figures.sources.every(({ up }) => up)
    return works && status.unanswered.length === 0 ? exitCodes.ok : exitCodes.failed
  })
}

/** Exported for its test. */
export async function readStatus(kube: KubeClient): Promise<EventsStatus> {
  const product = await gatherProduct(kube)
  const operators = await attempt(() => findOperators(kube, product))
  const { running, ignored } = 'value' in operators ? operators.value : { running: [], ignored: [] }
  const figures = await attempt(async () =>
    running.length === 0 ? noOperator(kube, product) : figuresOf(kube, running),
  )
  const answered = new Set('value' in figures ? figures.value.sources.map(({ name }) => name) : [])
  return {
    pods: 'value' in operators ? { value: running.map(objectKey) } : operators,
    ignored: ignored.map(objectKey),
    figures,
    unanswered: 'value' in figures ? sourcesOf(running).filter((name) => !answered.has(name)) : [],
    warnings: await attempt(() => warningsOf(kube, running)),
    changes: await attempt(() => changesOf(kube)),
  }
}

/**
 * Pods that run as the operator. Anyone who may create pods can give one the operator's label: where pods of the drivers are
 * known, only those of their namespaces count.
 */
async function findOperators(
  kube: KubeClient,
  { pods: drivers }: ProductFacts,
): Promise<{ running: readonly Pod[]; ignored: readonly Pod[] }> {
  const { items } = await kube.list(resources.pods, { labelSelector: 'app=keymount-operator' })
  const pods = items.filter(
    ({ metadata, status }) => status?.phase === 'Running' && metadata.deletionTimestamp === undefined,
  )
  if ('why' in drivers || drivers.value.length === 0) return { running: pods, ignored: [] }
  const namespaces = namespacesOf(drivers.value)
  const { running = [], ignored = [] } = Object.groupBy(pods, ({ metadata }) =>
    namespaces.has(metadata.namespace) ? 'running' : 'ignored',
  )
  return { running, ignored }
}

function argsOf({ spec }: Pod): readonly string[] {
  return spec?.containers?.flatMap(({ args }) => args ?? []) ?? []
}

/** Names of the sources that the flags of the operator name, as its metrics have them. */
function sourcesOf(pods: readonly Pod[]): string[] {
  const names = pods.flatMap(argsOf).flatMap((word) => {
    if (/^--events-queue=./.test(word)) return ['queue']
    if (/^--events-namespace-topic=./.test(word)) return [namespaceTopic]
    const [, vaults = ''] = /^--events-watch-vaults=(.+)$/.exec(word) ?? []
    return vaults.split(',').flatMap((one) => (one === '' ? [] : [`vault ${one.split('=')[0]}`]))
  })
  return [...new Set(names)]
}

const namespaceTopic = 'namespace topic'
const defaultMetricsPort = 8085

/** The chart and the lab choose the port. */
function metricsPortOf(pod: Pod): number {
  const port = argsOf(pod).flatMap((word) => /^--metrics-bind-address=.*?(\d{1,5})$/.exec(word)?.[1] ?? [])[0]
  return port === undefined ? defaultMetricsPort : Number(port)
}

/** Rejects with what keeps the operator from running: its Deployment has no pod, or there is none. */
async function noOperator(kube: KubeClient, product: ProductFacts): Promise<never> {
  const deployments = await gatherDeployments(kube, product)
  const all = 'value' in deployments ? deployments.value : []
  const found = all.find(({ metadata }) => metadata.name === 'keymount-operator')
  const why = found === undefined ? 'set events.enabled of the chart' : notReadyText(productDeployment(found))
  throw new Error(`no operator runs: ${why}`)
}

async function figuresOf(kube: KubeClient, pods: readonly Pod[]): Promise<EventsFigures> {
  const all = await Promise.all(
    pods.map(async (pod) => {
      const { namespace = '', name = '' } = pod.metadata
      const path = `/api/v1/namespaces/${namespace}/pods/${name}:${metricsPortOf(pod)}/proxy/metrics`
      return readFigures(await kube.raw({ method: 'GET', path }))
    }),
  )
  // Only the one that leads has sources.
  return all.find(({ sources }) => sources.length > 0) ?? all[0] ?? readFigures('')
}

async function warningsOf(kube: KubeClient, pods: readonly Pod[]): Promise<string[]> {
  const uids = new Set(pods.map(({ metadata }) => metadata.uid))
  const namespaces = new Set(pods.map(({ metadata }) => metadata.namespace))
  const found = await Promise.all(
    [...namespaces].map((namespace) =>
      kube.list(resources.events, { namespace, fieldSelector: 'involvedObject.kind=Pod' }),
    ),
  )
  return found
    .flatMap(({ items }) => items)
    .filter(({ type, involvedObject }) => type === 'Warning' && uids.has(involvedObject.uid))
    .map(({ lastTimestamp, reason, message }) => `${lastTimestamp ?? ''} ${reason}: ${message}`)
}

async function changesOf(kube: KubeClient): Promise<(ClassChange & { class: string })[]> {
  const { items } = await kube.list(resources.secretProviderClasses, { metadataOnly: true })
  return items
    .flatMap((object) => {
      const change = parseClassChange(object.metadata.annotations?.[classAnnotations.changed] ?? '')
      return change === undefined ? [] : [{ class: objectKey(object), ...change }]
    })
    .toSorted((a, b) => b.seen - a.seen)
}

function print(
  { pods, ignored: elsewhere, figures, unanswered, warnings, changes }: EventsStatus,
  terminal: Terminal,
  now: number,
): void {
  const { line, style } = terminal
  const ago = (ms: number) => `${formatDuration(Math.max(Math.round((now - ms) / 1000), 0) * 1000)} ago`
  if ('why' in pods) line(`${style.bad('!')} operator: ${pods.why}`)
  if (elsewhere.length > 0)
    line(`${style.bad('!')} ignored, operator pods in other namespaces than the drivers: ${elsewhere.join(', ')}`)
  if ('why' in figures) line(`${style.bad('!')} figures: ${figures.why}`)
  else {
    const { sources, last, lag, age, held, ignored, classes, confirmed } = figures.value
    for (const name of unanswered)
      line(
        `${style.bad('!')} ${name}: has not answered yet${name === namespaceTopic ? '; without an event, Event Grid answers after 10 s' : ''}`,
      )
    if (sources.length === 0 && unanswered.length === 0)
      line(`${style.bad('!')} the operator has not asked for events yet`)
    for (const { name, up } of sources)
      line(`${up ? style.good('✓') : style.bad('!')} ${name}: ${up ? 'answers' : 'does not answer'}`)
    line(`  last event: ${last === undefined ? 'none yet' : `${timestamp(last)} (${ago(last)})`}`)
    line(`  lag, from the vault to the class: ${lag === undefined ? 'none yet' : `${lag.toFixed(2)} s on average`}`)
    line(`  oldest message of the last answer: ${formatDuration(Math.round(age) * 1000)}; events not finished: ${held}`)
    line(`  classes that events are matched with: ${classes}`)
    for (const { vault, isConfirmed } of confirmed)
      line(
        isConfirmed
          ? `${style.good('✓')} ${vault}: every change is heard of; its volumes are polled rarely`
          : `${style.bad('!')} ${vault}: not certain that every change is heard of; its volumes are polled at their own intervals`,
      )
    for (const [why, count] of Object.entries(ignored)) line(`  ignored, ${why}: ${count}`)
  }
  const up = 'value' in figures ? figures.value.sources.filter((source) => source.up) : []
  const isOver = (warning: string) => up.some(({ name }) => warning.includes(` EventsUnavailable: ${name}`))
  if ('value' in warnings)
    for (const warning of warnings.value)
      line(isOver(warning) ? `  ${warning} (over: it answers again)` : `${style.bad('!')} ${warning}`)
  if ('why' in changes) line(`${style.bad('!')} classes: ${changes.why}`)
  else if (changes.value.length === 0) line('  no class has changed yet')
  else
    for (const change of changes.value.slice(0, 20))
      line(`  ${change.class}: ${ago(change.seen)}, ${objectsText(change)}`)
}

function objectsText({ objects }: ClassChange): string {
  const [first = ''] = objects
  if (first === '*') return 'each object'
  return objects.length === 1 ? first : `${first} and ${objects.length - 1} more`
}
