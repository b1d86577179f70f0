/**
 * Time of `keymount up` until driver and provider work, in seconds: the first time on a machine (image and compiled code are
 * made), for a new lab after that, for a lab that was down, for one whose cluster was killed, and for one that is up. The
 * aim is under 3 s after the first time. The last line is JSON.
 *
 *     bench/up.ts [ROUNDS] [--pod-network]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCli } from '../test/support/run-cli.ts'
import { quantile } from './support/statistics.ts'

const words = process.argv.slice(2)
const network = words.filter((word) => word === '--pod-network')
const rounds = Number(words.find((word) => !word.startsWith('--')) ?? 5)
const work = mkdtempSync(join(tmpdir(), 'keymount-up-'))
const cache = mkdtempSync(join(tmpdir(), 'keymount-cache-'))
const env = { KEYMOUNT_HOME: work, XDG_CACHE_HOME: cache }

async function keymount(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, env)
  if (code !== 0) throw new Error(`keymount ${args.join(' ')} ended with ${code}:\n${stderr}`)
  return stdout
}

/** Seconds as the user's shell sees them, start of the command included. */
async function timed(...args: string[]): Promise<number> {
  const startedAt = performance.now()
  await keymount(...args)
  return (performance.now() - startedAt) / 1000
}

const up = () => timed('up', '--ports', 'free', ...network)

async function killCluster(): Promise<void> {
  const { processes } = JSON.parse(await keymount('status', '--json')) as { processes: { name: string; pid: number }[] }
  const cluster = processes.find(({ name }) => name === 'local-cluster')
  if (cluster !== undefined) process.kill(cluster.pid, 'SIGKILL')
}

const seconds: Record<string, number[]> = { first: [], newLab: [], again: [], afterKill: [], alreadyUp: [], down: [] }
const note = (name: string, value: number) => {
  seconds[name]?.push(value)
  console.log(`${name.padEnd(10)} ${value.toFixed(2)} s`)
}
try {
  note('first', await up())
  for (let round = 0; round < rounds; round++) {
    note('alreadyUp', await up())
    await killCluster()
    note('afterKill', await up())
    note('down', await timed('down'))
    note('again', await up())
    await keymount('down', '--delete-state')
    note('newLab', await up())
  }
} finally {
  await runCli(['down', '--delete-state'], env)
  rmSync(cache, { recursive: true, force: true })
}
const medians = Object.fromEntries(
  Object.entries(seconds).map(([name, values]) => [name, Number(quantile(values, 0.5).toFixed(2))]),
)
console.log(JSON.stringify({ bench: 'up', aimSeconds: 3, rounds, podNetwork: network.length > 0, ...medians }))
