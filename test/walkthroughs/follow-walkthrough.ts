import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { sleep } from '#lib'
import { noPodNetwork } from '../support/may-have-pod-network.ts'
import type { Step, Walkthrough } from './parse-walkthrough.ts'
import type { ShellSession, Typed } from './shell-session.ts'

/**
 * Runs a walk-through step by step, each as a subtest. The first one that fails ends the walk-through. Returns whether all
 * steps passed.
 */
export async function followWalkthrough(
  t: TestContext,
  { steps }: Walkthrough,
  { shell, directory, podNetwork }: { shell: ShellSession; directory: string; podNetwork: boolean },
): Promise<boolean> {
  for (const step of steps) {
    let failed = false
    const skip = step.needsPodNetwork && !podNetwork ? noPodNetwork : false
    const name = `${step.role} (line ${step.line}): ${headline(step)}`
    await t.test(name, { skip }, async () => {
      try {
        await take(step, shell, directory)
      } catch (error) {
        failed = true
        throw error
      }
    })
    if (failed) return false
  }
  return true
}

/** Longer than any command takes on a busy machine: it ends a command that hangs, and names it. */
const patienceMs = 150_000

async function take(step: Step, shell: ShellSession, directory: string): Promise<void> {
  if (step.file !== undefined) return writeFileSync(join(directory, step.file), `${step.text}\n`)
  const end = Date.now() + step.within * 1000
  for (;;) {
    const typed = await withinPatience(shell.type(step.text), step)
    try {
      return judge(step, typed)
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(500)
    }
  }
}

async function withinPatience(typing: Promise<Typed>, { text }: Step): Promise<Typed> {
  const over = new AbortController()
  const limit = sleep(patienceMs, { signal: over.signal }).then(
    () => Promise.reject(new Error(`not done within ${patienceMs / 1000} s:\n${text}`)),
    () => new Promise<never>(() => undefined),
  )
  try {
    return await Promise.race([typing, limit])
  } finally {
    over.abort()
  }
}

function judge({ text, status, prints }: Step, typed: Typed): void {
  const all = `${text}\n--- standard output\n${typed.stdout}--- standard error\n${typed.stderr}`
  assert.equal(typed.status, status, `ended with ${typed.status}, not ${status}:\n${all}`)
  const heard = status === 0 ? typed.stdout : typed.stderr
  for (const line of prints) assert.ok(heard.includes(line), `does not print "${line}":\n${all}`)
}

/** Name of a step in a report: the first line that is not a comment, shortened. */
function headline({ text, file }: Step): string {
  const line = text.split('\n').find((each) => !/^\s*(#|$)/.test(each)) ?? ''
  const whole = file === undefined ? line : `${file}: ${line}`
  return whole.length > 100 ? `${whole.slice(0, 99)}…` : whole
}
