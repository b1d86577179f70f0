import { errorMessage } from '#lib'
import { CliError, countOf } from '#terminal'
import { type BackgroundName, findBackground, startedPrograms, stopBackground } from './processes/background.ts'
import { mountsBelow } from './processes/lab-namespace.ts'
import { removeFromCluster } from './product/remove-from-cluster.ts'
import type { Session } from './session.ts'
import { withHomeLock } from './state/home-lock.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

export interface DownOptions {
  /** On a cluster of the user's: even while pods have volumes mounted, or when it does not answer. */
  force?: boolean | undefined
}

/**
 * Stops everything that the lab runs, in the order of {@link startedPrograms}, and removes Keymount from a cluster that is
 * the user's. Gives whether there was anything to do.
 */
export async function takeDown(session: Session, options: DownOptions): Promise<boolean> {
  const { home } = session
  return withHomeLock(home, async () => {
    const state = stateIfReadable(session)
    const removed =
      state?.target.kind === 'kubeconfig' && (await removeFromCluster(session, state.target.path, options))
    const ran = await stopPrograms(session)
    // The local Azure may have been starting another cluster.
    await stopPrograms(session)
    await closeNamespace(home)
    return removed || ran
  })
}

/** A state file that cannot be read does not keep programs from being stopped. */
function stateIfReadable({ home, terminal }: Session): LabState | undefined {
  try {
    return readLabState(home)
  } catch (error) {
    terminal.error(`keymount: ${errorMessage(error)}; stopping what is running nevertheless`)
    return undefined
  }
}

/** Gives whether any was running. */
async function stopPrograms(session: Session): Promise<boolean> {
  let ran = false
  for (const name of startedPrograms(session.home)) {
    if (name !== 'namespace' && (await stopProgram(session, name))) ran = true
  }
  return ran
}

/** Gives whether the program was running. */
async function stopProgram({ home, terminal }: Session, name: BackgroundName): Promise<boolean> {
  const ran = findBackground(home, name) !== undefined
  const stop = () => stopBackground(home, name)
  // One that has died has left its files.
  await (ran ? terminal.step(titleOf(name), stop, howItEnded) : stop())
  return ran
}

function titleOf(name: BackgroundName): string {
  if (name === 'local-azure') return 'Local Azure'
  return name === 'local-cluster' ? 'Local cluster' : `Cluster ${name}`
}

function howItEnded(how: 'absent' | 'stopped' | 'killed'): string {
  return how === 'killed' ? 'did not stop in time and was killed' : 'stopped'
}

/** When the process that holds the namespace ends, the kernel removes every mount of the lab. */
async function closeNamespace(home: LabHome): Promise<void> {
  await stopBackground(home, 'namespace', 1000)
  const left = mountsBelow(process.pid, home.root).map(({ mountPoint }) => mountPoint)
  if (left.length === 0) return
  throw new CliError({
    what: `${countOf(left.length, 'mount')} left below ${home.root}`,
    why: left.join(', '),
    fix: [`remove what is left: umount ${left.join(' ')}`],
  })
}
