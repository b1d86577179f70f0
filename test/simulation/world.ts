import { createHash } from 'node:crypto'
import { createLog, type Log } from '#lib'
import { createRandom, type Random } from './random.ts'
import { createSimulatedTime, type SimulatedTime } from './simulated-time.ts'

/** The wall clock at the begin of each run. */
export const epoch = Date.UTC(2026, 0, 1)

/** An invariant does not hold. */
class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure'
}

/** One run: its time, its chance, and what has happened. */
export interface World {
  readonly seed: number
  readonly random: Random
  readonly time: SimulatedTime
  /** Whether faults happen: the last part of a run has none, so that everything can be delivered. */
  stormy: boolean
  /** Faults and crashes so far. */
  readonly counts: Map<string, number>
  count(what: string): void
  /** Adds a line to the trace. */
  note(text: string): void
  /** The last lines of the trace. */
  tail(): readonly string[]
  /** Of all lines of the trace: equal for equal runs. */
  digest(): string
  /** The run fails with this text after the current event, also when the caller catches errors. */
  violate(invariant: string): void
  /** Throws the first violation. */
  check(): void
  /** A log whose lines are part of the trace. */
  logOf(name: string): Log
  /** Text that no log may contain. */
  readonly secrets: Set<string>
}

const tailLength = 400

export function createWorld(seed: number): World {
  const time = createSimulatedTime()
  const lines: string[] = []
  const hash = createHash('sha256')
  const counts = new Map<string, number>()
  const secrets = new Set<string>()
  let violation: string | undefined
  const note = (text: string) => {
    const line = `${(time.now / 1000).toFixed(3).padStart(9)} ${text}`
    hash.update(line)
    lines.push(line)
    if (lines.length > 2 * tailLength) lines.splice(0, lines.length - tailLength)
  }
  const violate = (invariant: string) => {
    note(`VIOLATED: ${invariant}`)
    violation ??= invariant
  }
  return {
    seed,
    random: createRandom(seed),
    time,
    stormy: true,
    counts,
    count: (what) => void counts.set(what, (counts.get(what) ?? 0) + 1),
    note,
    tail: () => lines.slice(-tailLength),
    digest: () => hash.copy().digest('hex'),
    violate,
    check() {
      if (violation !== undefined) throw new SimulationFailure(violation)
    },
    logOf(name) {
      const write = (line: string) => {
        for (const secret of secrets) if (line.includes(secret)) violate(`${name} logged a secret: ${line}`)
        const { level, msg, err } = JSON.parse(line) as { level: string; msg?: string; err?: { message?: string } }
        note(`${name} ${level} ${msg ?? ''}${err === undefined ? '' : ` (${err.message})`}`)
      }
      return createLog({ name, level: 'debug', stream: { write } })
    },
    secrets,
  }
}
