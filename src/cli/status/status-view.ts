import { stringify } from 'yaml'
import type { KubeClient } from '#kubernetes/client'
import { sleep } from '#lib'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import { gatherInstallation } from '../identity/doctor/cluster-facts.ts'
import { chartInstallCommand } from '../identity/doctor/installation.ts'
import { rowsOf } from './all-rows.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import { filterRows, parseFilter } from './filter.ts'
import { followObjects } from './follow-objects.ts'
import { loadObjects } from './load-objects.ts'
import { tableLines } from './print-table.ts'
import type { Row, ViewName } from './rows.ts'
import type { ViewOptions } from './view-options.ts'
import { sortRows, type View, viewOf } from './views.ts'

interface Reader {
  kube: KubeClient
  view: View
  options: ViewOptions
  installCommand: string
  terminal: Terminal
  world: CliWorld
}

interface Read {
  objects: ClusterObjects
  missing: ReadonlyMap<string, string>
}

/** `keymount status VIEW`. */
export async function statusView(name: ViewName, options: ViewOptions, world: CliWorld): Promise<number> {
  const view = viewOf(name)
  checkWords(view, options)
  const terminal = createTerminal(world)
  return withCluster(options, world, async ({ kube }) => {
    const { installation } = await terminal.wait('asking the cluster', () => gatherInstallation(kube))
    const installCommand = chartInstallCommand(installation, world.packageRoot)
    const reader = { kube, view, options, installCommand, terminal, world }
    return options.watch === true ? watch(reader) : printOnce(reader)
  })
}

function checkWords(view: View, { filter = '', sort }: ViewOptions): void {
  const columns = view.columns.map(({ id }) => id)
  const [unknown] = parseFilter(filter, view).unknown
  const sorted = sort?.replace(/^-/, '')
  const wrong = unknown ?? (sorted !== undefined && !columns.includes(sorted) ? sorted : undefined)
  if (wrong === undefined) return
  const what = `${view.title} have no column "${wrong}"`
  throw new CliError({ what, fix: [`one of: ${columns.join(', ')}`], code: 'usage' })
}

async function printOnce(reader: Reader): Promise<number> {
  const { kube, view, options, terminal, world } = reader
  const read = await terminal.wait('reading volumes, classes and pods', () =>
    loadObjects(kube, { namespace: options.namespace, views: [view.name], signal: world.signal }),
  )
  refuseUnreadable(view, read)
  const rows = allRows(reader, read)
  const chosen = choose(reader, rows)
  for (const line of textOf(reader, read, rows, chosen)) terminal.line(line)
  if (options.output === 'table' || options.output === 'wide') printMissing(read, terminal)
  if (read.missing.has(mainSource[view.name])) return exitCodes.failed
  const isWrong = view.name === 'problems' && chosen.some(({ tone }) => tone === 'bad')
  return isWrong ? exitCodes.failed : exitCodes.ok
}

/** Without it, a view shows nothing. */
const mainSource: Readonly<Record<ViewName, string>> = {
  volumes: 'status objects of volumes',
  objects: 'status objects of volumes',
  problems: 'status objects of volumes',
  classes: 'SecretProviderClasses',
  secrets: 'SecretProviderClasses',
  nodes: 'nodes',
  events: 'events',
}

/** A cluster that cannot be read at all is not an empty one: the reason is printed once. Throws {@link CliError}. */
function refuseUnreadable(view: View, { missing }: Read): void {
  const why = missing.get(mainSource[view.name])
  if (why === undefined || missing.size < 2 || [...missing.values()].some((other) => other !== why)) return
  throw new CliError({ what: `${view.title} could not be read`, why, code: 'failed' })
}

function nowOf(kube: KubeClient): number {
  return Date.now() + (kube.clockOffsetMs() ?? 0)
}

function allRows({ kube, view, installCommand }: Reader, { objects, missing }: Read): readonly Row[] {
  const knowsDriver = !missing.has('CSIDrivers')
  return rowsOf(objects, { nowMs: nowOf(kube), installCommand, knowsDriver }, [view.name])[view.name]
}

function choose({ kube, view, options: { filter = '', sort, namespace } }: Reader, rows: readonly Row[]): Row[] {
  const ofNamespace = rows.filter((row) => namespace === undefined || isOf(row, namespace))
  return sortRows(view, filterRows(view, ofNamespace, parseFilter(filter, view), nowOf(kube)), sort)
}

/** Nodes and problems of the cluster are of every namespace. */
function isOf(row: Row, namespace: string): boolean {
  if (!('namespace' in row)) return true
  return row.namespace === namespace || row.namespace === ''
}

function textOf(
  { kube, view, options, terminal }: Reader,
  { missing }: Read,
  all: readonly Row[],
  rows: readonly Row[],
): string[] {
  const { output } = options
  if (output === 'json' || output === 'yaml') {
    const data = { [view.name]: rows.map(({ key: _, tone: __, ...row }) => row), notRead: Object.fromEntries(missing) }
    const isStream = options.watch === true
    if (output === 'json') return [JSON.stringify(data, null, isStream ? undefined : 2)]
    return [`${isStream ? '---\n' : ''}${stringify(data).trimEnd()}`]
  }
  const hidden = all.length
  return tableLines(view, rows, { isWide: output === 'wide', nowMs: nowOf(kube), hidden }, terminal)
}

function printMissing({ missing }: Read, terminal: Terminal): void {
  for (const [noun, why] of missing) terminal.error(`${noun} could not be read: ${why}`)
}

/** Changes that come together are printed together; ages move on in a table without one. */
const betweenMs = 1000
const agesMs = 10_000

/** Until the user stops it. */
async function watch(reader: Reader): Promise<number> {
  const { kube, view, options, terminal, world } = reader
  const followed = followObjects(kube, { namespace: options.namespace, views: [view.name] })
  const stopped = new Promise<void>((resolve) =>
    world.signal.addEventListener('abort', () => resolve(), { once: true }),
  )
  try {
    await terminal.wait('reading volumes, classes and pods', () => Promise.race([followed.ready, stopped]))
    const screen = world.stdout.isTTY === true && (options.output === 'table' || options.output === 'wide')
    let last = { version: -1, text: '', at: 0 }
    while (!world.signal.aborted) {
      const version = followed.version()
      const isDue = screen && Date.now() - last.at > agesMs
      if (version !== last.version || isDue) last = printAgain(reader, followed, { ...last, version }, screen)
      await sleep(betweenMs, { signal: world.signal }).catch(() => undefined)
    }
    return exitCodes.interrupted
  } finally {
    await followed.stop()
  }
}

const clearScreen = '\u001b[H\u001b[2J'

function printAgain(reader: Reader, read: Read, last: { version: number; text: string }, screen: boolean) {
  const rows = allRows(reader, read)
  const text = textOf(reader, read, rows, choose(reader, rows)).join('\n')
  if (screen) reader.world.stdout.write(clearScreen)
  if (screen || text !== last.text) reader.terminal.line(text)
  return { version: last.version, text, at: Date.now() }
}
