import type { Pod } from '#kubernetes/client'
import { judgeNode } from '../doctor/judge/judge-node.ts'
import { besidePods, driverApp, providerApp } from '../doctor/product-facts.ts'
import type { Observation } from '../doctor/step.ts'
import { cleanCommands, cleanName, cleanText } from './clean-text.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import type { NodeRow, Tone, VolumeRow } from './rows.ts'

const tones: Readonly<Record<NodeRow['state'], Tone>> = {
  ok: 'good',
  failing: 'bad',
  'not ready': 'bad',
  warnings: 'warn',
}

export interface JudgedNode {
  row: NodeRow
  observations: readonly Observation[]
}

/** One row for each node, judged as the doctor does. @param installCommand the command that installs Keymount */
export function judgeNodes(
  objects: ClusterObjects,
  volumes: readonly VolumeRow[],
  installCommand: string,
): JudgedNode[] {
  const podsOf = Map.groupBy(objects.productPods.values(), ({ spec }) => spec.nodeName ?? '')
  const volumesOf = Map.groupBy(volumes, ({ node }) => node)
  const daemonSets = { value: besidePods([...objects.daemonSets.values()], [...objects.productPods.values()]) }
  return [...objects.nodes].map(([key, node]) => {
    const name = node.metadata.name ?? ''
    const pods = podsOf.get(name) ?? []
    const csiNode = { value: objects.csiNodes.get(key) }
    const facts = { name, node: { value: node }, csiNode, pods: { value: pods }, daemonSets, logs: new Map() }
    const observations = judgeNode(facts, installCommand)
    return { row: rowOf(name, pods, volumesOf.get(name) ?? [], observations), observations }
  })
}

function rowOf(
  name: string,
  pods: readonly Pod[],
  volumes: readonly VolumeRow[],
  observations: readonly Observation[],
): NodeRow {
  const failing = volumes.filter(({ tone }) => tone === 'bad').length
  const worst = observations.find(({ state }) => state === 'fail') ?? observations.find(({ state }) => state === 'warn')
  const state =
    worst?.state === 'fail' ? 'not ready' : failing > 0 ? 'failing' : worst === undefined ? 'ok' : 'warnings'
  return {
    key: name,
    state,
    tone: tones[state],
    node: name,
    driver: versionOf(pods, driverApp),
    provider: versionOf(pods, providerApp),
    volumes: volumes.length,
    failing,
    message: worst === undefined ? null : cleanText(worst.text),
    fix: cleanCommands(worst?.fix ?? []),
  }
}

/** Tag of the image; of a combined pod, the driver's is the provider's too. */
function versionOf(pods: readonly Pod[], app: string): string {
  const pod = pods.find(({ metadata }) => metadata.labels?.app === app) ?? pods[0]
  const image = pod?.spec.containers.find(({ image = '' }) => image.includes('keymount')) ?? pod?.spec.containers[0]
  const reference = image?.image ?? ''
  const [, tag = ''] = /:([\w.-]+)(?:@.*)?$/.exec(reference) ?? []
  return cleanName(tag)
}
