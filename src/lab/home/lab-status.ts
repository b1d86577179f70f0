import { existsSync } from 'node:fs'
import { createKubeClient, resources } from '#kubernetes/client'
import { errorMessage } from '#lib'
import type { CliWorld } from '#terminal'
import { createTerminal, exitCodes, type Terminal } from '#terminal'
import { managedName, numberedPlaces } from './clusters/cluster-place.ts'
import { readKubeconfig } from './clusters/real-cluster.ts'
import { findBackground } from './processes/background.ts'
import { findLocalAzure, findLocalCluster } from './processes/lab-programs.ts'
import { isWorking, type ProductPod, productStatus } from './product/product-status.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

export interface StatusCommand {
  home: LabHome
  json: boolean
  world: CliWorld
}

interface Status {
  home: string
  /** `up`: all works. `partly`: something that should run does not. */
  state: 'up' | 'partly' | 'down'
  target: LabState['target'] | null
  processes: { name: string; pid: number | null; address: string | null; cluster?: string }[]
  cluster: { server: string; pods: readonly ProductPod[]; registeredOn: readonly string[]; volumes: Volume[] } | null
  problem: string | null
}

/** One mounted class, as its status object tells. */
interface Volume {
  pod: string
  class: string
  objects: number
}

/** Shows what runs. Exit status 0 when all of it does, 3 when nothing does, 1 in between. */
export async function status({ home, json, world }: StatusCommand): Promise<number> {
  const terminal = createTerminal(world)
  const found = await collect(home, world)
  if (json) terminal.line(JSON.stringify(found, null, 2))
  else print(found, terminal, world)
  return { up: exitCodes.ok, partly: exitCodes.failed, down: exitCodes.notUp }[found.state]
}

async function collect(home: LabHome, world: CliWorld): Promise<Status> {
  const state = readLabState(home)
  const azure = findLocalAzure(home)
  const cluster = findLocalCluster(home)
  const process = (name: string, running: { pid: number } | undefined, address: string | undefined) => ({
    name,
    pid: running?.pid ?? null,
    address: address ?? null,
  })
  const processes = [
    ...(state?.target.kind === 'kubeconfig' ? [] : [process('local-cluster', cluster, cluster?.server)]),
    ...managedClusters(home).map(({ program, record }) => {
      const running = findLocalCluster(home, program)
      return { ...process(program, running, running?.server), cluster: managedName(record.id) }
    }),
    ...(state?.azure === 'real' ? [] : [process('local-azure', azure, azure?.proxy)]),
  ]
  const anything = processes.some(({ pid }) => pid !== null) || findBackground(home, 'namespace') !== undefined
  const kubeconfig = state?.target.kind === 'kubeconfig' ? state.target.path : cluster?.kubeconfig
  const base = { home: home.root, target: state?.target ?? null, processes }
  if (!anything && state?.azure !== 'real') return { ...base, state: 'down', cluster: null, problem: null }
  if (kubeconfig === undefined) return { ...base, state: 'partly', cluster: null, problem: 'the cluster does not run' }
  try {
    const facts = await clusterFacts(kubeconfig, world)
    if (!anything && facts.pods.length === 0) return { ...base, state: 'down', cluster: null, problem: null }
    const complete = processes.every(({ pid }) => pid !== null) && isWorking(facts)
    return { ...base, state: complete ? 'up' : 'partly', cluster: facts, problem: null }
  } catch (error) {
    return { ...base, state: 'partly', cluster: null, problem: errorMessage(error) }
  }
}

/** Those that `az aks create` made and that are to run. */
function managedClusters(home: LabHome) {
  return existsSync(home.root) ? numberedPlaces(home).filter(({ record }) => record.stopped !== true) : []
}

async function clusterFacts(kubeconfig: string, world: CliWorld) {
  const kube = createKubeClient(readKubeconfig(kubeconfig, world.env))
  try {
    const [product, statuses] = await Promise.all([
      productStatus(kube),
      kube.list(resources.secretProviderClassPodStatuses),
    ])
    const volumes = statuses.items.map(({ metadata, status: mounted }) => ({
      pod: `${metadata.namespace}/${mounted?.podName ?? ''}`,
      class: mounted?.secretProviderClassName ?? '',
      objects: mounted?.objects?.length ?? 0,
    }))
    return { server: kube.server, ...product, volumes }
  } finally {
    kube.close()
  }
}

function print(found: Status, { line, style }: Terminal, { programName }: CliWorld): void {
  const words = { up: style.good('up'), partly: style.bad('not all of it runs'), down: style.dim('down') }
  line(`Lab in ${found.home}: ${words[found.state]}`)
  if (found.problem !== null) line(`  ${found.problem}`)
  for (const { name, pid, address, cluster } of found.processes) {
    const mark = pid === null ? style.bad('✗') : style.good('✓')
    const managed = cluster === undefined ? '' : `, managed cluster ${cluster}`
    line(`  ${mark} ${name.padEnd(14)} ${pid === null ? 'does not run' : `process ${pid}, ${address}`}${managed}`)
  }
  if (found.cluster !== null) printCluster(found.cluster, { line, style })
  if (found.state === 'partly') line(`\nMend it: ${style.command(`${programName} up`)}`)
  if (found.state === 'down') line(`\nStart it: ${style.command(`${programName} up`)}`)
}

function printCluster(
  { server, pods, registeredOn, volumes }: NonNullable<Status['cluster']>,
  { line, style }: Pick<Terminal, 'line' | 'style'>,
): void {
  line(`\nKeymount in ${server}, registered on ${registeredOn.join(', ') || 'no node'}`)
  for (const { name, node, phase, ready, restarts, problem } of pods) {
    const mark = ready ? style.good('✓') : style.bad('✗')
    const trouble = problem === undefined ? '' : `, ${problem}`
    line(`  ${mark} ${name} on ${node}: ${phase}, ${restarts} restarts${trouble}`)
  }
  line(`\nMounted volumes: ${volumes.length}`)
  for (const { pod, class: name, objects } of volumes) line(`  ${pod}: class ${name}, ${objects} objects`)
}
