// How long `keymount --version`, `--help` and a completion take, and how much memory, beside `node -e 0`.
//   node bin/node.mjs bench/cli-start.ts [--runs 15]
// Wall time from spawn to exit, median and slowest run; the largest resident set of its processes.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { benchOptions } from './support/options.ts'

const { runs } = benchOptions({ runs: 15 })
const root = join(import.meta.dirname, '..')
const keymount = join(root, 'bin/keymount.mjs')

// Each process reports its own peak when it ends.
const report = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS + '\\n'))`
const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}` }

const commands: Record<string, readonly string[]> = {
  'node -e 0': ['-e', '0'],
  'keymount --version': [keymount, '--version'],
  'keymount --help': [keymount, '--help'],
  'keymount up --help': [keymount, 'up', '--help'],
  'keymount completion words': [keymount, 'completion', 'words', '--', 'up', '--p'],
}

console.log(`Node ${process.versions.node}, ${runs} runs each, with warm caches`)
for (const [name, args] of Object.entries(commands)) {
  measure(args)
  const found = Array.from({ length: runs }, () => measure(args))
  const times = found.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const peak = Math.max(...found.map(({ peakMiB }) => peakMiB))
  const [median, slowest] = [times[Math.floor(times.length / 2)] ?? 0, times.at(-1) ?? 0]
  console.log(
    `${name.padEnd(28)} ${median.toFixed(0).padStart(5)} ms median, ${slowest.toFixed(0)} ms slowest, ${peak.toFixed(0)} MiB`,
  )
}

function measure(args: readonly string[]): { ms: number; peakMiB: number } {
  const started = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  const ms = performance.now() - started
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}:\n${stderr}`)
  const peaks = [...stderr.matchAll(/^peak (\d+)$/gm)].map(([, kib]) => Number(kib) / 1024)
  return { ms, peakMiB: Math.max(...peaks) }
}
