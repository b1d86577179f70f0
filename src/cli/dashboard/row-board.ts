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
  counts: Readonly<Record<ViewName, { all: number; bad: number; warn: number }>>
  /** Of the server's clock, in milliseconds. */
  nowMs: number
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
}

/** Changes that come together are shown together; a large cluster takes longer for its rows, and gets longer pauses. */
const shortestPauseMs = 250
const pausePerWork = 9
/** A check becomes overdue without a change. */
const longestPauseMs = 10_000

/** Makes the rows of all views once for all browsers, while one of them is listening. */
export function createRowBoard(options: RowBoardOptions): RowBoard {
  const abort = new AbortController()
  const { signal } = abort
  const state = { board: emptyBoard(), version: -1, madeAt: Number.NEGATIVE_INFINITY, pauseMs: shortestPauseMs }
  const refresh = () => {
    const startedAt = performance.now()
    const usedBefore = cpuMs()
    const isDue = startedAt - state.madeAt > longestPauseMs
    const version = options.followed.version()
    if (startedAt - state.madeAt < state.pauseMs || (version === state.version && !isDue)) return state.board
    state.version = version
    state.board = makeBoard(options, state.board)
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
  const none = viewNames.map((name) => [name, { all: 0, bad: 0, warn: 0 }] as const)
  return { rows: Object.fromEntries(empty), counts: Object.fromEntries(none), nowMs: 0 } as unknown as Board
}

function makeBoard({ followed, installCommand, nowMs, vaults }: RowBoardOptions, before: Board): Board {
  const knowsDriver = !followed.missing.has('CSIDrivers') && followed.objects.csiDrivers !== undefined
  const now = nowMs()
  const all = rowsOf(followed.objects, { nowMs: now, installCommand, knowsDriver, vaults: vaults() }, viewNames)
  const rows: Partial<Record<ViewName, ReadonlyMap<string, Row>>> = {}
  const counts: Partial<Record<ViewName, { all: number; bad: number; warn: number }>> = {}
  for (const name of viewNames) {
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
  return { rows: rows as Board['rows'], counts: counts as Board['counts'], nowMs: now }
}
