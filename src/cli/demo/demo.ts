import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  bringUp,
  findBackground,
  isSameProcessAlive,
  type Lab,
  labHome,
  mountsBelow,
  type Session,
  startedPrograms,
  takeDown,
} from '#lab/home'
import { type CliWorld, countOf, createTerminal, exitCodes } from '#terminal'
import { withLabClients } from '../example/clients-of-lab.ts'
import { check } from './demo-context.ts'
import { showMainJob } from './main-job.ts'

export interface DemoCommand {
  /** Leave the lab up at the end. */
  keep: boolean
  world: CliWorld
}

/** `keymount demo`: the main use of the product in a lab of its own. Exit status 0 only if every check passed and nothing is left. */
export async function demo({ keep, world }: DemoCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const { line, style } = terminal
  const root = mkdtempSync(join(tmpdir(), 'keymount-demo-'))
  const home = labHome(root, ` --home ${root}`)
  const session: Session = { home, world, terminal }
  const startedAt = performance.now()
  line(style.strong('A Key Vault secret reaches a pod by workload identity, offline'))
  line(style.dim(`in a lab of its own, ${root}`))
  line()
  try {
    const lab = await bringUp(session, {
      ports: 'free',
      rotationPollInterval: '2s',
      syncFrequency: '2s',
      // The demo breaks a federated credential that was used a moment before.
      caching: 'off',
    })
    await showAll(session, lab)
  } finally {
    if (keep) line(`\nThe lab is still up: ${style.command(`keymount status${home.option}`)}`)
    else await terminal.step('Clean-up', () => cleanUp(session), asItIs)
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  line()
  line(style.good(`Every check passed, in ${seconds} s.`))
  line(style.dim('Your own lab: keymount up'))
  return exitCodes.ok
}

async function showAll(session: Session, lab: Lab): Promise<void> {
  if (lab.azure === undefined) throw new Error('the demo needs the local Azure')
  const place = { issuer: lab.cluster.issuer, vault: 'keymount-demo', packageRoot: session.world.packageRoot }
  await withLabClients(lab, lab.azure, 'keymount-demo', (clients) =>
    showMainJob({ ...session, ...place, ...clients, lab }),
  )
}

/** Takes the lab down, whatever happened before, and checks that nothing is left of it. */
async function cleanUp({ home, world, terminal }: Session): Promise<string> {
  const running = startedPrograms(home).flatMap((name) => findBackground(home, name) ?? [])
  // An interrupted demo is cleaned up too, so the signal that interrupted it is not used.
  const quiet = { ...terminal, step: <T>(title: string, run: () => Promise<T>) => terminal.wait(title, run) }
  await takeDown({ home, world: { ...world, signal: new AbortController().signal }, terminal: quiet }, {})
  const alive = running.filter(({ process }) => isSameProcessAlive(process))
  check(alive.length === 0, 'no process of the lab is running', alive.map(({ name }) => name).join(', '))
  const mounts = mountsBelow(process.pid, home.root)
  check(mounts.length === 0, 'nothing is mounted', mounts.map(({ mountPoint }) => mountPoint).join(', '))
  rmSync(home.root, { recursive: true, force: true })
  check(!existsSync(home.root), `${home.root} is deleted`, 'that it still exists')
  return `${countOf(running.length, 'process', 'processes')} stopped, nothing is mounted, ${home.root} is deleted`
}

function asItIs(text: string): string {
  return text
}
