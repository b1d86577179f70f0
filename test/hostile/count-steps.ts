// Started with few resources by hostile-input.test.ts: calls one parser with every hostile shape and prints, as JSON, how many
// steps it takes for texts of a size and of twice that size. A step is one execution of a block of code, as V8's precise
// coverage counts them, so the numbers do not depend on the machine or its load.
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { argumentsFor } from './parsers.ts'
import { hostileShapes } from './shapes.ts'

export interface Counted {
  shape: string
  /** Steps for the small size, for twice that, and for 1 MiB. */
  steps: [small: number, twice: number, mebibyte: number]
  /** An error that no parser means to throw. */
  fault: string | undefined
}

const small = 16 * 1024
const [file = '', name = ''] = process.argv.slice(2)
const exported = (await import(join(import.meta.dirname, '../..', file))) as Record<
  string,
  (...args: unknown[]) => unknown
>
const parser = exported[name]
if (parser === undefined) throw new Error(`${file} has no ${name}`)

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

const results: Counted[] = []
// The first call loads what is loaded on demand.
await call('')
for (const [shape, make] of Object.entries(hostileShapes)) {
  const counted: Counted = { shape, steps: [0, 0, 0], fault: undefined }
  for (const [i, size] of [small, 2 * small, 1024 * 1024].entries()) {
    const args = argumentsFor(name, make(size))
    await session.post('Profiler.takePreciseCoverage')
    counted.fault ??= await call(...args)
    counted.steps[i] = await takeSteps()
    // Of what grows faster, a mebibyte would take hours.
    if (i === 1 && counted.steps[1] > 3 * counted.steps[0] + 10_000) break
  }
  results.push(counted)
}
process.stdout.write(JSON.stringify(results))

/** The text of a fault; undefined for a result, and for an error that explains the input. */
async function call(...args: unknown[]): Promise<string | undefined> {
  try {
    await parser?.(...args)
    return undefined
  } catch (error) {
    const isFault = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
    return isFault ? `${error.name}: ${error.message.slice(0, 200)}` : undefined
  }
}

async function takeSteps(): Promise<number> {
  const { result } = await session.post('Profiler.takePreciseCoverage')
  let steps = 0
  for (const { url, functions } of result) {
    if (url.startsWith('node:') || url.endsWith('/hostile/count-steps.ts')) continue
    for (const { ranges } of functions) for (const { count } of ranges) steps += count
  }
  return steps
}
