import crypto from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#lib'
import { countCryptoCalls } from './idle.ts'
import { leaderElection } from './leader-election.ts'
import { nodeDriver, nodeDriverEvents, nodeDriverQuiet, nodeDriverRare, nodeDriverTyped } from './node-driver.ts'
import { podIdentity } from './pod-identity.ts'
import { createRandom } from './random.ts'
import { restartOnRotation } from './restart.ts'
import type { Scenario } from './scenario.ts'
import { secretSync } from './secret-sync.ts'
import { namespaceTopicEvents, vaultEvents } from './vault-events.ts'
import { webhookCertificates } from './webhook-certificates.ts'
import { createWorld, type World } from './world.ts'

export interface SeedReport {
  seed: number
  scenario: string
  /** Why the run failed; undefined when every invariant held. */
  failure: string | undefined
  /** The end of what happened. */
  trace: readonly string[]
  /** Of all that happened. */
  digest: string
  events: number
  /** Faults by their kind. */
  faults: Readonly<Record<string, number>>
}

export const scenarios: readonly Scenario[] = [
  nodeDriver,
  nodeDriverTyped,
  leaderElection,
  webhookCertificates,
  podIdentity,
  secretSync,
  restartOnRotation,
  vaultEvents,
  namespaceTopicEvents,
  nodeDriverEvents,
  nodeDriverQuiet,
  nodeDriverRare,
]

/** What seeds run in turn: more of what can go wrong in more ways. */
const turns: readonly Scenario[] = [
  nodeDriver,
  podIdentity,
  leaderElection,
  nodeDriver,
  secretSync,
  nodeDriverTyped,
  webhookCertificates,
  secretSync,
  nodeDriver,
  leaderElection,
  secretSync,
  nodeDriverTyped,
  restartOnRotation,
  vaultEvents,
  namespaceTopicEvents,
  nodeDriverEvents,
  nodeDriverQuiet,
  nodeDriverRare,
]

/** In memory where there is such a directory: volumes are written often. */
const fastDirectory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** Runs one seed. The scenario follows from the seed unless it is named. Runs do not go on at the same time. */
export async function runSeed(seed: number, name?: string): Promise<SeedReport> {
  const scenario = name === undefined ? turns[seed % turns.length] : scenarios.find((one) => one.name === name)
  if (scenario === undefined) throw new Error(`no scenario "${name}": ${scenarios.map((one) => one.name).join(', ')}`)
  const directory = join(fastDirectory, `keymount-simulation-${process.pid}`)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const world = createWorld(seed)
  const restore = replaceChance(world)
  let failure: string | undefined
  try {
    await scenario.run(world, directory)
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
  } finally {
    restore()
    rmSync(directory, { recursive: true, force: true })
  }
  return {
    seed,
    scenario: scenario.name,
    failure,
    trace: world.tail(),
    digest: world.digest(),
    events: world.time.count,
    faults: Object.fromEntries([...world.counts].toSorted()),
  }
}

/** Takes the place of everything by which two runs of one seed could differ, and reports the use of real time. */
function replaceChance(world: World): () => void {
  const { random: realRandom } = Math
  const { randomUUID, randomInt, pbkdf2 } = crypto
  const { now, elapsed, after } = systemClock
  // A stream of its own: how often the code under test draws a number does not change what the world does.
  const { next, int } = createRandom(world.seed ^ 0x5eed)
  Math.random = next
  crypto.randomUUID = () => {
    const hex = Array.from({ length: 8 }, () => int(0x10000).toString(16).padStart(4, '0'))
    return `${hex[0]}${hex[1]}-${hex[2]}-${hex[3]}-${hex[4]}-${hex[5]}${hex[6]}${hex[7]}`
  }
  crypto.randomInt = ((low: number, high?: number) =>
    high === undefined ? int(low) : low + int(high - low)) as typeof crypto.randomInt
  // A hash that is slow on purpose: its rounds change nothing here.
  crypto.pbkdf2 = (password, salt, _rounds, length, digest, done) =>
    done(null, crypto.pbkdf2Sync(password, salt, 1, length, digest))
  syncBuiltinESMExports()
  const misuse = (what: string) => (): never => {
    world.violate(`${what} of the system's clock is used: ${new Error('here').stack}`)
    throw new Error('real time in the simulation')
  }
  Object.assign(systemClock, { now: misuse('now()'), elapsed: misuse('elapsed()'), after: misuse('after()') })
  const stopCounting = countCryptoCalls()
  return () => {
    Math.random = realRandom
    Object.assign(crypto, { randomUUID, randomInt, pbkdf2 })
    syncBuiltinESMExports()
    Object.assign(systemClock, { now, elapsed, after })
    stopCounting()
  }
}
