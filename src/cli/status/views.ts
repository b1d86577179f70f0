import type {
  ClassRow,
  EventRow,
  NodeRow,
  ObjectRow,
  ProblemRow,
  Row,
  Rows,
  SecretRow,
  Tone,
  ViewName,
  VolumeRow,
} from './rows.ts'
import { shortAge } from './short-age.ts'

/** One column of a view, for the table of the terminal and for the page. This file also runs in the browser. */
export interface Column<R> {
  id: string
  title: string
  /** What is shown, and found by the filter. */
  text(row: R, nowMs: number): string
  /** What rows are sorted by. Default: the text. */
  order?(row: R): string | number
  /** Other names of the column in a filter. */
  aliases?: readonly string[]
  /** `time`: an age, with the time itself as its hint; `state`: with the tone of the row. */
  kind?: 'time' | 'state' | 'number' | 'code'
  /** The time of a column of kind `time`. */
  at?(row: R): string | null
  /** A short mark behind the text, with what it means. */
  mark?(row: R): { text: string; hint: string; tone: Tone } | undefined
  /** Share of the width of a wide page. */
  share: number
  /** Left out of the table of a terminal without `-o wide`. */
  wideOnly?: boolean
}

export interface View<R extends Row = Row> {
  name: ViewName
  title: string
  /** What a row is, for counts: `12 volumes`. */
  noun: [one: string, many: string]
  /** Where there are no rows at all. */
  empty: string
  columns: readonly Column<R>[]
  /** Lines below a row in a terminal: what a column has no room for, and commands. */
  below?: ((row: R) => { text: string; commands: readonly string[] }) | undefined
  /** The column that rows are sorted by at first, `-` before it for the other direction. */
  sort: string
}

const toneOrder: Readonly<Record<Tone, number>> = { bad: 0, warn: 1, quiet: 2, good: 3 }

function stateColumn<R extends Row>(share = 10.5): Column<R> {
  return { id: 'state', title: 'State', kind: 'state', text: ({ state }) => state, order: urgency, share }
}

/** What needs an operator comes first. */
export function urgency({ tone, state }: Pick<Row, 'tone' | 'state'>): string {
  return `${toneOrder[tone]} ${state}`
}

function time<R>(id: string, title: string, at: (row: R) => string | null, share = 7): Column<R> {
  return {
    id,
    title,
    kind: 'time',
    at,
    text: (row, nowMs) => shortAge(at(row), nowMs),
    order: (row) => at(row) ?? '',
    share,
  }
}

/**
 * The next check: `in 5m`, or `54s ago` where it is overdue. A driver leaves out the records of checks that change nothing: the
 * interval from the recorded check to its next one gives those that have followed.
 */
function nextCheckText({ lastCheck, nextCheck, state }: VolumeRow, nowMs: number): string {
  const age = shortAge(nextCheck, nowMs)
  if (nextCheck === null || age === '' || age.startsWith('in ')) return age
  const recorded = Date.parse(nextCheck)
  const intervalMs = recorded - Date.parse(lastCheck ?? '')
  if (state === 'overdue' || state === 'failing' || !(intervalMs > 0)) return `${age} ago`
  const restMs = intervalMs - ((nowMs - recorded) % intervalMs)
  return shortAge(new Date(nowMs + Math.max(restMs, 2000)).toISOString(), nowMs)
}

function text<R>(
  id: string,
  title: string,
  of: (row: R) => string,
  share: number,
  more: Partial<Column<R>> = {},
): Column<R> {
  return { id, title, text: of, share, ...more }
}

function number<R>(id: string, title: string, of: (row: R) => number, share = 6): Column<R> {
  return { id, title, kind: 'number', text: (row) => String(of(row)), order: of, share }
}

const volumes: View<VolumeRow> = {
  name: 'volumes',
  title: 'Volumes',
  noun: ['volume', 'volumes'],
  empty: 'No pod mounts a class yet.',
  sort: 'state',
  columns: [
    stateColumn(),
    text('namespace', 'Namespace', (row) => row.namespace, 10, { aliases: ['ns'] }),
    text('pod', 'Pod', (row) => row.pod, 18),
    text('workload', 'Workload', (row) => row.workload, 15, { wideOnly: true }),
    text('class', 'Class', (row) => row.class, 12),
    text('node', 'Node', (row) => row.node, 12, { wideOnly: true }),
    number('objects', 'Objects', (row) => row.objectCount),
    text('version', 'Version', (row) => row.version?.slice(0, 8) ?? '', 9, { kind: 'code', mark: agreement }),
    time('age', 'Age', (row) => row.created, 5),
    time('checked', 'Checked', (row) => row.lastCheck, 7),
    { ...time<VolumeRow>('next', 'Next', (row) => row.nextCheck, 6), text: nextCheckText },
    text('code', 'Code', (row) => row.code ?? '', 14, { kind: 'code' }),
  ],
}

function agreement({ agrees }: VolumeRow) {
  if (agrees === null) return undefined
  return agrees
    ? ({ text: '✓', hint: 'the same in all pods of the workload', tone: 'good' } as const)
    : ({ text: '≠', hint: 'pods of the workload have different versions', tone: 'warn' } as const)
}

const objects: View<ObjectRow> = {
  name: 'objects',
  title: 'Objects',
  noun: ['object', 'objects'],
  empty: 'No class reads an object yet.',
  sort: 'state',
  columns: [
    stateColumn(),
    text('vault', 'Vault', (row) => row.vault, 16),
    text('object', 'Object', (row) => row.object, 18),
    text('namespace', 'Namespaces', (row) => row.namespaces.join(', '), 12, { aliases: ['ns'] }),
    text('class', 'Classes', (row) => row.classes.join(', '), 13, { wideOnly: true }),
    number('pods', 'Pods', (row) => row.pods),
    text(
      'versions',
      'In use',
      (row) => row.versions.map((one) => `${shortVersion(one.version)}×${one.pods}`).join(' '),
      16,
      {
        kind: 'code',
        order: (row) => row.versions.length,
      },
    ),
    text('newest', 'Newest known', (row) => shortVersion(row.newest ?? ''), 10, { kind: 'code' }),
    time('expires', 'Expires', (row) => row.expires, 7),
    time('changed', 'Changed', (row) => row.lastChange, 7),
  ],
}

/** A version of a vault is 32 digits, of which the first eight are enough to distinguish it. */
function shortVersion(version: string): string {
  return /^[0-9a-f]{32}$/.test(version) ? version.slice(0, 8) : version
}

const classes: View<ClassRow> = {
  name: 'classes',
  title: 'Classes',
  noun: ['class', 'classes'],
  empty: 'There is no SecretProviderClass yet.',
  sort: 'state',
  columns: [
    stateColumn(),
    text('namespace', 'Namespace', (row) => row.namespace, 10, { aliases: ['ns'] }),
    text('class', 'Class', (row) => row.class, 15),
    text('provider', 'Provider', (row) => row.provider, 7, { wideOnly: true }),
    text('vault', 'Vaults', (row) => row.vaults.join(', '), 14),
    number('pods', 'Pods', (row) => row.pods),
    text('identity', 'Identity', (row) => row.identity, 20, { kind: 'code' }),
    text('interval', 'Interval', (row) => row.interval ?? 'not known', 8),
    text('secrets', 'Secrets', (row) => row.secrets.join(', '), 11),
    text('problems', 'Problems', (row) => severe(row).join(' '), 12, {
      kind: 'code',
      order: (row) => severe(row).length,
      aliases: ['code'],
    }),
  ],
}

/** Rules of lint with an error or a warning. The details of the class also have the remarks. */
function severe({ problems }: ClassRow): string[] {
  return problems.flatMap(({ code, severity }) => (severity === 'info' ? [] : [code]))
}

const secrets: View<SecretRow> = {
  name: 'secrets',
  title: 'Secrets',
  noun: ['Secret', 'Secrets'],
  empty: 'No class and no SecretSync makes a Kubernetes Secret.',
  sort: 'state',
  columns: [
    stateColumn(),
    text('namespace', 'Namespace', (row) => row.namespace, 10, { aliases: ['ns'] }),
    text('secret', 'Secret', (row) => row.secret, 15),
    text('source', 'Made by', (row) => row.source, 10),
    text('class', 'Class', (row) => row.class, 13),
    text('type', 'Type', (row) => row.type, 11, { wideOnly: true }),
    text('keys', 'Keys', (row) => row.keys.join(', '), 15),
    time('written', 'Written', (row) => row.lastWritten),
    text('restarts', 'Restarts', (row) => row.restarts.join(', '), 14, { aliases: ['workload'] }),
  ],
}

const nodes: View<NodeRow> = {
  name: 'nodes',
  title: 'Nodes',
  noun: ['node', 'nodes'],
  empty: 'There are no nodes that you may list.',
  sort: 'state',
  columns: [
    stateColumn(),
    text('node', 'Node', (row) => row.node, 20),
    text('driver', 'Driver', (row) => row.driver, 12),
    text('provider', 'Provider', (row) => row.provider, 12),
    number('volumes', 'Volumes', (row) => row.volumes),
    number('failing', 'Failing', (row) => row.failing),
    text('message', 'Found', (row) => row.message ?? '', 30),
  ],
}

const problems: View<ProblemRow> = {
  name: 'problems',
  title: 'Problems',
  noun: ['problem', 'problems'],
  empty: 'Nothing is wrong.',
  sort: 'state',
  columns: [
    { ...stateColumn<ProblemRow>(9.5), order: (row) => `${urgency(row)} ${String(1e9 - row.affectedCount)}` },
    text('code', 'Code', (row) => row.code, 16, { kind: 'code' }),
    text('where', 'Where', (row) => row.where, 18, { aliases: ['class', 'node'] }),
    text('namespace', 'Namespace', (row) => row.namespace, 9, { aliases: ['ns'], wideOnly: true }),
    time('since', 'Since', (row) => row.since, 6),
    number('affected', 'Affects', (row) => row.affectedCount),
    text('text', 'What is wrong', (row) => row.text, 40),
  ],
  below: ({ text, fix }) => ({ text, commands: fix }),
}

const events: View<EventRow> = {
  name: 'events',
  title: 'Events',
  noun: ['event', 'events'],
  empty: 'No events in the last hour.',
  sort: '-at',
  columns: [
    time('at', 'When', (row) => row.at, 6),
    stateColumn(),
    text('reason', 'Reason', (row) => row.reason, 16),
    text('namespace', 'Namespace', (row) => row.namespace, 10, { aliases: ['ns'] }),
    text('object', 'Object', (row) => row.object, 18, { aliases: ['pod', 'workload'] }),
    text('message', 'Message', (row) => row.message, 36),
    number('count', 'Times', (row) => row.count, 5),
  ],
}

/** In the order of the page. */
export const views: { readonly [V in ViewName]: View<Row<V>> } = {
  volumes,
  objects,
  classes,
  secrets,
  nodes,
  problems,
  events,
}

export const viewNames = Object.keys(views) as ViewName[]

/** Each view with its own type of rows, for code that treats all alike. */
export function viewOf(name: ViewName): View {
  return views[name] as unknown as View
}

/** Rows in the order of a column: `age`, or `-age` for the other direction. Rows that are equal keep the order of their keys. */
export function sortRows<R extends Row>(view: View<R>, rows: readonly R[], sort = view.sort): R[] {
  const isDown = sort.startsWith('-')
  const id = isDown ? sort.slice(1) : sort
  const column = view.columns.find((one) => one.id === id) ?? view.columns[0]
  const orderOf = column?.order ?? ((row: R) => column?.text(row, 0) ?? '')
  const ordered = rows.map((row) => ({ row, order: orderOf(row) }))
  ordered.sort((a, b) => {
    if (a.order !== b.order) return a.order < b.order === isDown ? 1 : -1
    return a.row.key < b.row.key ? -1 : 1
  })
  return ordered.map(({ row }) => row)
}

export type { Rows }
