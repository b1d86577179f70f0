import { driverName, ofProduct, productDeployment } from '#lab/home'
import { type AnyCode, explanations, isCode } from '#product/error-catalogue'
import { commandLine } from '#terminal'
import { judgeCsiDriver } from '../doctor/judge/judge-csi-driver.ts'
import { judgeDeployments } from '../doctor/judge/judge-deployments.ts'
import { namespacesOf } from '../doctor/product-facts.ts'
import type { Observation } from '../doctor/step.ts'
import { cleanCommands, cleanText } from './clean-text.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import type { JudgedNode } from './node-rows.ts'
import type { ProblemRow, SecretRow, VolumeRow } from './rows.ts'
import { statusLimits } from './status-limits.ts'
import { withoutCode } from './volume-rows.ts'

/** What is wrong in one place. Places with the same code and text are one row. */
interface Found {
  code: string
  isWarning: boolean
  where: string
  namespace: string
  text: string
  since: string | null
  affected: readonly string[]
  fix: readonly string[]
}

export interface Judged {
  volumes: readonly VolumeRow[]
  secrets: readonly SecretRow[]
  nodes: readonly JudgedNode[]
  installCommand: string
  /** False where the CSIDriver object may not be read. */
  knowsDriver: boolean
}

/** What the doctor finds in the whole cluster, one row for each cause, with the commands that fix it. */
export function problemRows(objects: ClusterObjects, judged: Judged): ProblemRow[] {
  const found = [
    ...ofDriver(objects, judged),
    ...ofNodes(judged.nodes),
    ...ofDeployments(objects),
    ...ofClasses(objects, judged.volumes),
    ...ofVolumes(judged.volumes),
    ...ofSecrets(judged.secrets),
  ]
  const groups = Map.groupBy(found, ({ code, where, namespace, isWarning }) =>
    JSON.stringify([code, namespace, where, isWarning]),
  )
  return [...groups].map(([key, group]) => rowOf(key, group))
}

function rowOf(key: string, group: readonly Found[]): ProblemRow {
  const [first] = group as [Found]
  const { code, isWarning, where, namespace, text } = first
  const affected = [...new Set(group.flatMap((one) => one.affected))]
  const since = group
    .flatMap((one) => one.since ?? [])
    .toSorted()
    .at(0)
  const explanation = isCode(code) ? [commandLine('keymount', 'explain', code)] : []
  const fixes = [...new Set(group.flatMap((one) => one.fix))]
  // The pods of a class fail for one reason: the doctor need not examine all of them.
  const doctor = fixes.filter((command) => command.startsWith('keymount doctor ')).slice(0, 1)
  const fix = [...fixes.filter((command) => !command.startsWith('keymount doctor ')).slice(0, 4), ...doctor]
  return {
    key,
    state: isWarning ? 'warning' : 'error',
    tone: isWarning ? 'warn' : 'bad',
    code,
    where,
    namespace,
    text: withoutCode(text, code),
    meaning: isCode(code) ? explanations[code].meaning : '',
    since: since ?? null,
    affected: affected.slice(0, statusLimits.affected.value),
    affectedCount: affected.length,
    fix: [...fix, ...explanation],
  }
}

function ofDriver({ csiDrivers }: ClusterObjects, { installCommand, knowsDriver }: Judged): Found[] {
  if (!knowsDriver) return []
  const driver = [...csiDrivers.values()].find(({ metadata }) => metadata.name === driverName)
  return fromObservations(judgeCsiDriver({ value: driver }, installCommand), 'cluster', [])
}

function ofNodes(nodes: readonly JudgedNode[]): Found[] {
  // A DaemonSet that is missing everywhere is one problem, not one for each node.
  return nodes.flatMap(({ row, observations }) => fromObservations(observations, 'nodes', [`node/${row.node}`]))
}

/** As a pod with the labels of the driver hides nothing, a Deployment in a namespace of a user is not one of Keymount. */
function ofDeployments({ deployments, productPods }: ClusterObjects): Found[] {
  return ofProduct([...deployments.values()], namespacesOf([...productPods.values()])).flatMap((object) => {
    const deployment = productDeployment(object)
    const { namespace, name } = deployment
    return fromObservations(judgeDeployments([deployment]), `deployment/${name}`, [`deployment/${namespace}/${name}`])
  })
}

function fromObservations(observations: readonly Observation[], where: string, affected: readonly string[]): Found[] {
  return observations.flatMap(({ state, code, text, fix = [] }) =>
    (state === 'fail' || state === 'warn') && code !== undefined
      ? [
          {
            ...{ code, isWarning: state === 'warn', where, namespace: '', text: cleanText(text), since: null },
            ...{ affected, fix: cleanCommands(fix) },
          },
        ]
      : [],
  )
}

function ofClasses({ classes }: ClusterObjects, volumes: readonly VolumeRow[]): Found[] {
  const byClass = Map.groupBy(volumes, (row) => `${row.namespace}/${row.class}`)
  return [...classes].flatMap(([key, { namespace, class: name, failures, created = null }]) =>
    failures.map(({ code, text, fix }) => ({
      ...{ code, isWarning: false, where: `class/${name}`, namespace, text, since: created, fix },
      affected: (byClass.get(key) ?? []).map((row) => `pod/${row.pod}`),
    })),
  )
}

const warnings: ReadonlySet<VolumeRow['state']> = new Set(['restart', 'static'])

function ofVolumes(volumes: readonly VolumeRow[]): Found[] {
  return volumes.flatMap((row) => {
    const { state, tone, code, namespace, message, since, fix, pod } = row
    const isWarning = warnings.has(state)
    if (code === null || (tone !== 'bad' && !isWarning)) return []
    const where = `class/${row.class}`
    return [{ code, isWarning, where, namespace, text: message ?? '', since, affected: [`pod/${pod}`], fix }]
  })
}

function ofSecrets(secrets: readonly SecretRow[]): Found[] {
  return secrets.flatMap(({ state, namespace, secret, source, message, fix, lastWritten }) => {
    if (state !== 'not ready' && state !== 'behind') return []
    const ofDriver: AnyCode = lastWritten === null ? 'secret-not-written' : 'secret-behind'
    const code: AnyCode = state === 'behind' ? ofDriver : 'secret-sync-not-ready'
    const where = source === 'SecretSync' ? `secretsync/${secret}` : `secret/${secret}`
    const isWarning = state === 'behind'
    return [
      {
        code,
        isWarning,
        where,
        namespace,
        text: message ?? '',
        since: lastWritten,
        affected: [`secret/${secret}`],
        fix,
      },
    ]
  })
}
