/**
 * What a cluster of thousands of nodes asks of a vault, of Entra and of the API server: simulated, where `cluster-model.ts` computes it.
 *
 * Each size is one process in which every node runs the real driver and the real provider, and one operator the real events, count of volumes
 * and confirmation. Simulated are the clock, the sockets between driver and provider, files, the queue, and an API server that counts; the
 * vault's answers are those of a local Azure. kubelet's republish and the end of watches are left out. Aims are printed beside the figures.
 *
 *   node bench/fleet.ts [--nodes 100,1000] [--volumes 20] [--objects 10] [--hours 6] [--quiet 96] [--entra-limit 200] [--sign-ins 15] [--limit 180]
 *
 * 1,000 nodes take about 70 s of a core and 1 GiB, 5,000 about ten minutes and 5 GiB (--nodes 5000 --limit 3600), 10,000 twenty minutes and 10 GiB.
 */
import { spawn } from 'node:child_process'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { ChangePhase, SizeOptions, SizeResult } from './support/fleet/run-size.ts'
import { benchOptions } from './support/options.ts'

const values = benchOptions({
  nodes: '100,1000',
  volumes: 20,
  objects: 10,
  hours: 6,
  quiet: 96,
  'entra-limit': 200,
  'sign-ins': 15,
  /** Seconds for a size. */
  limit: 180,
  /** One size, in this process. 0: all sizes, each in a process of its own. */
  size: 0,
})
const longestSeconds = values.limit
const vaultLimit = 4000

if (values.size === 0) await runAll()
else await runOne(values.size)

async function runOne(nodes: number): Promise<void> {
  const without = new URL('support/fleet/write-no-files.ts', import.meta.url).href
  registerHooks({
    resolve(specifier, context, next) {
      const isWriter = specifier === './write-files.ts' && context.parentURL?.endsWith('/volume-files/index.ts')
      return isWriter === true ? { url: without, shortCircuit: true } : next(specifier, context)
    },
  })
  const { runSize } = await import('./support/fleet/run-size.ts')
  const options: SizeOptions = {
    nodes,
    volumes: values.volumes,
    objects: values.objects,
    hours: values.hours,
    quietHours: values.quiet,
    entraLimit: values['entra-limit'],
    signInsPerSecond: values['sign-ins'],
  }
  console.log(JSON.stringify(await runSize(options)))
  process.exit(0)
}

async function runAll(): Promise<void> {
  const results: SizeResult[] = []
  for (const size of values.nodes.split(',').map(Number)) {
    const result = await spawnSize(size)
    if (result === undefined) console.log(`${size} nodes: not finished within ${longestSeconds} s`)
    else results.push(result)
  }
  const perNode = values.volumes * values.objects + 1
  console.log(
    `\n${values.volumes} volumes of ${values.objects} objects and one of 1 on each node, ${perNode} objects of one vault;`,
  )
  console.log(
    `quiet polling every ${values.quiet} h; Entra is assumed to refuse above ${values['entra-limit']} sign-ins in 10 s\n`,
  )
  console.log(`at rest, over ${values.hours} h`)
  console.table(results.map(restRow))
  console.log(
    `aims at 5,000 nodes: below 1 % of a vault (${vaultLimit} reads in 10 s), API writes below 50/s, no sign-in refused\n`,
  )
  for (const [title, of] of [
    [`one object changes, of a class with ${values.objects}`, (result: SizeResult) => result.change],
    ['right after that the only object of a class changes', (result: SizeResult) => result.single],
    ['it changes again when no token is held any more', (result: SizeResult) => result.later],
  ] as const) {
    console.log(title)
    console.table(results.map((result) => changeRow(result, of(result))))
  }
  const objects = values.objects
  console.log(`aims at 5,000 nodes x 10 objects: at most 50,100 reads, never above 2,000 in 10 s, all done within 35 s`)
  console.log(
    `these contradict each other where a class is read as a whole: ${5000 * objects} reads at 2,000 in 10 s take ${(5000 * objects) / 200} s; ` +
      `within 35 s they are ${Math.round((5000 * objects) / 3.5)} in 10 s. A class of one object meets all three while nodes hold tokens.`,
  )
  console.log('\nstart: nodes begin one after the other, so that they read 200 objects a second')
  console.table(results.map(startRow))
  console.log(JSON.stringify(results))
}

function restRow({ nodes, pollInterval, rest }: SizeResult) {
  return {
    nodes,
    'interval without events': pollInterval,
    reads: rest.reads,
    'reads/s': rounded(rest.reads / rest.seconds),
    '% of a vault': rounded((rest.reads / rest.seconds / (vaultLimit / 10)) * 100),
    'peak in 10 s': rest.readsPeak,
    '429 of the vault': rest.readsRefused,
    'sign-ins': rest.signIns,
    '429 of Entra': rest.signInsRefused,
    'API writes/s': rounded(rest.apiWrites / rest.seconds),
    'API reads/s': rounded(rest.apiReads / rest.seconds),
  }
}

function changeRow({ nodes }: SizeResult, change: ChangePhase) {
  return {
    nodes,
    reads: change.reads,
    'peak in 10 s': change.readsPeak,
    '429 of the vault': change.readsRefused,
    'half of the nodes after s': change.half === undefined ? 'never' : rounded(change.half),
    'all after s': change.all === undefined ? 'never' : rounded(change.all),
    'sign-ins': change.signIns,
    'sign-ins, peak in 10 s': change.signInsPeak,
    '429 of Entra': change.signInsRefused,
    'API writes': change.apiWrites,
  }
}

function startRow({ nodes, start, nodeKib, realSeconds, cpuSeconds }: SizeResult) {
  return {
    nodes,
    reads: start.reads,
    'peak in 10 s': start.readsPeak,
    '429 of the vault': start.readsRefused,
    'sign-ins': start.signIns,
    '429 of Entra': start.signInsRefused,
    'KiB of a node': Math.round(nodeKib),
    'took s': Math.round(realSeconds),
    'CPU s': Math.round(cpuSeconds),
  }
}

/** In a process of its own, so that the memory of one size is not that of another. */
function spawnSize(size: number): Promise<SizeResult | undefined> {
  const options = ['volumes', 'objects', 'hours', 'quiet', 'entra-limit', 'sign-ins'] as const
  const flags = options.map((name) => `--${name}=${values[name]}`)
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--max-old-space-size=14000', fileURLToPath(import.meta.url), `--size=${size}`, ...flags],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const timer = setTimeout(() => child.kill('SIGKILL'), longestSeconds * 1000)
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (signal === 'SIGKILL') return resolve(undefined)
      if (code !== 0) return reject(new Error(`${size} nodes: ended with status ${code}`))
      resolve(JSON.parse(text.trim().split('\n').at(-1) ?? '') as SizeResult)
    })
  })
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
