import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface Typed {
  /** Exit status of the first command that failed, else 0. */
  status: number
  stdout: string
  stderr: string
}

/** One terminal for a whole walk-through: variables and the directory persist from command to command. */
export interface ShellSession {
  /** Types these lines into bash. */
  type(text: string): Promise<Typed>
  stop(): Promise<void>
}

/**
 * Every command that fails is noticed, as a reader would notice it: also in the middle of several lines, and in front of
 * a pipe. The commands read nothing from a terminal.
 */
const setUp = [
  'set -o pipefail',
  // Of the failures of one step the first counts. https://www.gnu.org/software/bash/manual/bash.html#index-trap
  `trap 'step_status=$?; if [ "\${first_status:-0}" = 0 ]; then first_status=$step_status; fi' ERR`,
].join('\n')

/** Starts bash in `directory`, with this environment and nothing else. */
export function startShell(directory: string, env: Record<string, string>): ShellSession {
  const bash = spawn('bash', ['--noprofile', '--norc'], {
    cwd: directory,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  }) as ChildProcess & { stdout: Readable }
  const ended = new Promise<void>((resolve) => bash.once('exit', () => resolve()))
  const answers = createInterface({ input: bash.stdout })[Symbol.asyncIterator]()
  bash.stdin?.write(`${setUp}\n`)
  const paths = ['text', 'out', 'err'].map((name) => join(directory, `.step.${name}`))
  const [script = '', out = '', err = ''] = paths

  return {
    async type(text) {
      writeFileSync(script, `${text}\n`)
      bash.stdin?.write(`first_status=0; . '${script}' </dev/null >'${out}' 2>'${err}'; echo "$first_status"\n`)
      const { value, done } = await answers.next()
      if (done === true) throw new Error(`bash ended while it ran:\n${text}`)
      return { status: Number(value), stdout: readFileSync(out, 'utf8'), stderr: readFileSync(err, 'utf8') }
    },
    async stop() {
      bash.stdin?.end()
      // Whatever a step left in the background is of this process group.
      if (bash.pid !== undefined && bash.exitCode === null) process.kill(-bash.pid, 'SIGTERM')
      await ended
      for (const path of paths) if (existsSync(path)) rmSync(path)
    },
  }
}
