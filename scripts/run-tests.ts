// Runs test files and prints each failure with its reason at once, and at the end what failed and what was skipped, and why.
// Started by scripts/test.ts, which closes descriptor 3 to stop it.
import { Socket } from 'node:net'
import { relative, resolve } from 'node:path'
import { run } from 'node:test'
import { inspect, parseArgs } from 'node:util'

interface Skipped {
  file: string
  reason: string
}

const timeoutMs = 600_000
const { values, positionals: files } = parseArgs({
  options: { concurrency: { type: 'string', default: '2' } },
  allowPositionals: true,
})
const stop = new AbortController()
const counts = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
const failures: string[] = []
const skipped: Skipped[] = []
const startedAt = performance.now()

const lifeline = new Socket({ fd: 3, readable: true, writable: false }).on('error', () => undefined)
lifeline.on('close', () => stop.abort())
lifeline.resume()

// Each run listens for signals.
process.setMaxListeners(0)
const queue = [...files]
await Promise.all(
  Array.from({ length: Number(values.concurrency) }, async () => {
    for (let file = queue.shift(); file !== undefined && !stop.signal.aborted; file = queue.shift()) await runFile(file)
  }),
)
printSummary()
// The lifeline would keep the process.
process.exit(counts.fail + counts.cancelled > 0 || stop.signal.aborted ? 1 : 0)

async function runFile(file: string): Promise<void> {
  const path: string[] = []
  const own = { tests: 0, fail: 0, skipped: 0 }
  const fileStartedAt = performance.now()
  // Output of the file, in case that it fails outside of a test.
  let output = ''
  for await (const { type, data } of run({ files: [resolve(file)], timeout: timeoutMs, signal: stop.signal })) {
    switch (type) {
      case 'test:stdout':
      case 'test:stderr':
        output = (output + data.message).slice(-20_000)
        break
      case 'test:dequeue':
        path.splice(data.nesting, Number.POSITIVE_INFINITY, data.name)
        break
      case 'test:complete': {
        const isFile = data.name === resolve(file)
        if (isFile && (own.fail > 0 || data.details.passed)) break
        const name = isFile ? '' : [...path.slice(0, data.nesting), data.name].join(' › ')
        const reason = data.skip === true ? 'no reason given' : data.skip
        if (data.details.type === 'suite' && data.details.passed) counts.suites += 1
        else if (typeof reason === 'string') {
          skipped.push({ file, reason: reason || 'no reason given' })
          own.skipped += 1
        } else if (data.todo !== undefined && data.todo !== false) counts.todo += 1
        else if (data.details.passed) counts.pass += 1
        else if (stop.signal.aborted) counts.cancelled += 1
        else if (failureType(data.details.error) !== 'subtestsFailed') {
          own.fail += 1
          printFailure(file, name, data.details.error, isFile ? output : '')
        }
        own.tests += 1
        if (files.length === 1 && data.details.passed && !isFile) printTest(name, reason, data.details.duration_ms)
        break
      }
    }
  }
  if (own.tests === 0 && !stop.signal.aborted) {
    own.fail += 1
    printFailure(file, '', new Error('the file has no tests'), output)
  }
  counts.tests += own.tests
  counts.fail += own.fail
  counts.skipped += own.skipped
  if (!stop.signal.aborted) printFile(file, own, performance.now() - fileStartedAt)
}

function printTest(name: string, reason: string | undefined, ms: number): void {
  const why = reason === undefined ? '' : ` # skipped: ${reason}`
  console.log(`${reason === undefined ? '✔' : '﹣'} ${name} (${Math.round(ms)} ms)${why}`)
}

function printFailure(file: string, name: string, error: unknown, output: string): void {
  const title = `${relative('.', file)}${name === '' ? '' : ` › ${name}`}`
  failures.push(title)
  const text = output === '' ? textOf(causeOf(error)) : output.trimEnd()
  console.log(`\n✖ ${title}\n${text.replaceAll(/^/gm, '    ')}\n`)
}

/** An assertion's message has both values already, so its properties are left out. */
function textOf(error: unknown): string {
  const isAssertion = error instanceof Error && 'code' in error && error.code === 'ERR_ASSERTION'
  return isAssertion ? (error.stack ?? error.message) : inspect(error, { depth: 5, colors: false })
}

/** The runner wraps what a test threw. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && 'failureType' in error && error.cause !== undefined ? error.cause : error
}

function failureType(error: unknown): unknown {
  return error instanceof Error && 'failureType' in error ? error.failureType : undefined
}

function printFile(
  file: string,
  { tests, fail, skipped: skips }: { tests: number; fail: number; skipped: number },
  ms: number,
) {
  const parts = [
    `${tests} test${tests === 1 ? '' : 's'}`,
    ...(fail > 0 ? [`${fail} failed`] : []),
    ...(skips > 0 ? [`${skips} skipped`] : []),
    `${(ms / 1000).toFixed(1)} s`,
  ]
  console.log(`${fail > 0 ? '✖' : '✔'} ${relative('.', file)} (${parts.join(', ')})`)
}

function printSummary(): void {
  if (failures.length > 0) console.log(`\nFailed:\n${failures.map((title) => `  ✖ ${title}`).join('\n')}`)
  const byReason = [...Map.groupBy(skipped, ({ reason }) => reason)].toSorted(([, a], [, b]) => b.length - a.length)
  if (byReason.length > 0) console.log('\nSkipped:')
  for (const [reason, tests] of byReason) {
    const inFiles = new Set(tests.map(({ file }) => relative('.', file)))
    console.log(`  ${String(tests.length).padStart(4)}  ${reason}\n        in ${[...inFiles].join(', ')}`)
  }
  if (stop.signal.aborted) console.log('\nInterrupted.')
  console.log('')
  for (const [name, count] of Object.entries(counts)) console.log(`ℹ ${name} ${count}`)
  console.log(`ℹ duration_ms ${Math.round(performance.now() - startedAt)}`)
}
