import { isDeepStrictEqual } from 'node:util'
import { type Running, sleep } from '#lib'
import { rowsOf } from '../status/all-rows.ts'
import type { FollowedObjects } from '../status/follow-objects.ts'
import type { VaultMetadata } from '../status/object-rows.ts'
import type { Row, ViewName } from '../status/rows.ts'
import { viewNames } from '../status/views.ts'

/** The rows of one moment by their keys. A row that has not changed is the same object as before. */
export interface Board {
  rows: Readonly<Record<ViewName, ReadonlyMap<string, Row>>>
  /** Of the views that have been made. */
  counts: Readonly<Partial<Record<ViewName, RowCount>>>
  /** Views whose rows are made of everything that there is. */
  complete: ReadonlySet<ViewName>
  /** Of the server's clock, in milliseconds. */
  nowMs: number
}

export interface RowCount {
  all: number
  bad: number
  warn: number
}

export interface RowBoard extends Running {
  current(): Board
  /** Resolves with a board that is not `last`, or with the same one after `timeoutMs`. */
  next(last: Board | undefined, timeoutMs: number, signal: AbortSignal): Promise<Board>
}

export interface RowBoardOptions {
  followed: FollowedObjects
  installCommand: string
  nowMs: () => number
  vaults: () => ReadonlyMap<string, VaultMetadata>
  /** How long a view waits for the last of its sources, in milliseconds. Default: 10 s. */
  patienceMs?: number | undefined
}

/** Changes that come together are shown together; a large cluster takes longer for its rows, and gets longer pauses. */
const shortestPauseMs = 250
const pausePerWork = 9
/** A check becomes overdue without a change. */
const longestPauseMs = 10_000

/**
 * A view waits this long for the last of its sources. A row that is made of a part of them would be another one in a moment, and would be
 * sent twice; a source that does not answer must not keep the rest from being seen.
 */
const defaultPatienceMs = 10_000

/** Makes the rows of all views once for all browsers, while one of them is listening. */
export function createRowBoard(options: RowBoardOptions): RowBoard {
  const abort = new AbortController()
  const { signal } = abort
  const state = { board: emptyBoard(), version: -1, madeAt: Number.NEGATIVE_INFINITY, pauseMs: shortestPauseMs }
  const waitsUntil = performance.now() + (options.patienceMs ?? defaultPatienceMs)
  const refresh = () => {
    const startedAt = performance.now()
    const usedBefore = cpuMs()
    const isDue = startedAt - state.madeAt > longestPauseMs
    const version = options.followed.version()
    const complete = new Set(viewNames.filter((name) => options.followed.isReadyFor(name)))
    // Rows that can be shown for the first time do not wait.
    const isNew = [...complete].some((name) => state.board.counts[name] === undefined)
    if (!isNew && (startedAt - state.madeAt < state.pauseMs || (version === state.version && !isDue)))
      return state.board
    state.version = version
    state.board = makeBoard(options, state.board, { complete, isPatient: startedAt < waitsUntil })
    state.madeAt = performance.now()
    state.pauseMs = Math.min(Math.max(shortestPauseMs, (cpuMs() - usedBefore) * pausePerWork), longestPauseMs)
    return state.board
  }
  return {
    current: refresh,
    async next(last, timeoutMs, caller) {
      const any = AbortSignal.any([signal, caller])
      const until = performance.now() + timeoutMs
      for (;;) {
        const board = refresh()
        if (board !== last || performance.now() > until) return board
        await sleep(shortestPauseMs, { signal: any })
      }
    },
    async stop() {
      abort.abort(new Error('stopped'))
    },
  }
}

/** Of this process: on a machine that is busy with other work, elapsed time would be misleading. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function emptyBoard(): Board {
  const empty = viewNames.map((name) => [name, new Map<string, Row>()] as const)
  return { rows: Object.fromEntries(empty) as unknown as Board['rows'], counts: {}, complete: new Set(), nowMs: 0 }
}

function makeBoard(
  { followed, installCommand, nowMs, vaults }: RowBoardOptions,
  before: Board,
  { complete, isPatient }: { complete: ReadonlySet<ViewName>; isPatient: boolean },
): Board {
  const knowsDriver = !followed.missing.has('CSIDrivers') && followed.objects.csiDrivers !== undefined
  const now = nowMs()
  const wanted = viewNames.filter((name) => !isPatient || complete.has(name) || before.counts[name] !== undefined)
  const all = rowsOf(followed.objects, { nowMs: now, installCommand, knowsDriver, vaults: vaults() }, wanted)
  const rows: Record<ViewName, ReadonlyMap<string, Row>> = { ...before.rows }
  const counts: Partial<Record<ViewName, RowCount>> = { ...before.counts }
  for (const name of wanted) {
    const made = new Map<string, Row>()
    const count = { all: 0, bad: 0, warn: 0 }
    const old = before.rows[name]
    let isSame = true
    for (const row of all[name]) {
      const last = old.get(row.key)
      const isEqual = last !== undefined && (last === row || isDeepStrictEqual(last, row))
      if (!isEqual) isSame = false
      made.set(row.key, isEqual ? last : row)
      count.all += 1
      if (row.tone === 'bad') count.bad += 1
      if (row.tone === 'warn') count.warn += 1
    }
    rows[name] = isSame && made.size === old.size ? old : made
    counts[name] = count
  }
  return { rows, counts, complete, nowMs: now }
}
