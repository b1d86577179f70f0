import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKubeClient } from '#kubernetes/client'
import type { Session } from '#lab/home'
import {
  bringUp,
  createLabAzure,
  findBackground,
  isSameProcessAlive,
  type Lab,
  labHome,
  mountsBelow,
  readCredentials,
  startedPrograms,
  takeDown,
} from '#lab/home'
import type { CliWorld } from '#terminal'
import { createTerminal, exitCodes } from '#terminal'
import { check } from './demo-context.ts'
import { showMainJob } from './main-job.ts'

export interface DemoCommand {
  /** Leave the lab up at the end. */
  keep: boolean
  world: CliWorld
}

/** The whole main job in a lab of its own. Exit status 0 only when every step was checked and nothing is left. */
export async function demo({ keep, world }: DemoCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const { line, style } = terminal
  const home = labHome(mkdtempSync(join(tmpdir(), 'keymount-demo-')))
  const session: Session = { home, world, terminal }
  const startedAt = performance.now()
  line(style.strong('A Key Vault secret reaches a pod by workload identity, offline'))
  line(style.dim(`in a lab of its own, ${home.root}`))
  line()
  try {
    const lab = await bringUp(session, {
      ...{ ports: 'free', rotationPollInterval: '2s', syncFrequency: '2s' },
      // The demo breaks a federated credential that was used a moment ago.
      caching: 'off',
    })
    await withClients(session, lab)
  } finally {
    if (keep) line(`\nThe lab stays up: ${style.command(`${world.programName} status --home ${home.root}`)}`)
    else
      await terminal.step(
        'Clean-up',
        () => cleanUp(session),
        (text) => text,
      )
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  line()
  line(style.good(`Every step was checked. ${seconds} s in all.`))
  line(style.dim(`Your own lab: ${world.programName} up`))
  return exitCodes.ok
}

async function withClients(session: Session, lab: Lab): Promise<void> {
  if (lab.azure === undefined) throw new Error('the demo needs the local Azure')
  const kube = createKubeClient(lab.cluster.config)
  const azure = createLabAzure({
    credentials: readCredentials(lab.azure.credentials),
    proxy: lab.azure.proxy,
    ca: readFileSync(lab.azure.ca, 'utf8'),
    resourceGroup: 'keymount-demo',
  })
  try {
    await showMainJob({ ...session, lab, kube, azure })
  } finally {
    azure.stop()
    kube.close()
  }
}

/** Takes the lab down, whatever happened before, and checks that nothing of it is left. */
async function cleanUp({ home, world, terminal }: Session): Promise<string> {
  const running = startedPrograms(home).flatMap((name) => findBackground(home, name) ?? [])
  // An interrupted demo is cleaned up too.
  const quiet = { ...terminal, step: <T>(_title: string, run: () => Promise<T>) => run() }
  await takeDown({ home, world: { ...world, signal: new AbortController().signal }, terminal: quiet }, {})
  const alive = running.filter(({ process }) => isSameProcessAlive(process))
  check(alive.length === 0, 'no process of the lab runs', alive.map(({ name }) => name).join(', '))
  const mounts = mountsBelow(process.pid, home.root)
  check(mounts.length === 0, 'nothing is mounted', mounts.map(({ mountPoint }) => mountPoint).join(', '))
  rmSync(home.root, { recursive: true, force: true })
  check(!existsSync(home.root), `${home.root} is gone`, 'it is still there')
  return `${running.length} processes ended, nothing is mounted, ${home.root} is deleted`
}
