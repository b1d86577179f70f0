import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { errorCode } from '#lib'

/** Runs `mount` and `umount` without a fork of this process for each: see {@link createMountHelpers}. */
export interface MountHelpers {
  /** Mounts; rejects with the program's words, or with {@link HelperUnavailable}. @param words exactly six, such as `-t tmpfs -o … tmpfs TARGET`. */
  mount(words: readonly [string, string, string, string, string, string]): Promise<void>
  unmount(target: string): Promise<void>
}

/** No helper runs, or it ended before it answered: what was asked for may have happened or not. */
export class HelperUnavailable extends Error {
  override readonly name = 'HelperUnavailable'
}

const deadlineMs = 30_000

/**
 * A fork copies the page tables of this process, and its exec throws them away: most of what a mount costs the node. So `mount` and
 * `umount` are started by two `xargs`, small processes that wait for the words of the next command on their input. They start with the
 * first command, and end with this process, whose end of the pipe closes. Commands go one by one, as the kernel does them anyway.
 */
export function createMountHelpers({ program = 'xargs' }: { program?: string | undefined } = {}): MountHelpers {
  const mount = createHelper(program, ['-0', '-n', '6', 'mount', '-v'], /^mount: .* mounted on .*\.$/)
  const unmount = createHelper(program, ['-0', '-n', '1', 'umount', '-v'], /^umount: .* unmounted$/)
  return {
    mount: (words) => run(mount, words),
    unmount: (target) => run(unmount, [target]),
  }
}

interface Helper {
  program: string
  args: readonly string[]
  /** The line that the program prints when it has done its work. */
  done: RegExp
  child: ChildProcessWithoutNullStreams | undefined
  /** Without the program there is never a helper. */
  isMissing: boolean
  /** Resolves when the last command that was asked for has ended. */
  last: Promise<unknown>
}

function createHelper(program: string, args: readonly string[], done: RegExp): Helper {
  return { program, args, done, child: undefined, isMissing: false, last: Promise.resolve() }
}

function run(helper: Helper, words: readonly string[]): Promise<void> {
  const mine = helper.last.then(() => runNow(helper, words))
  helper.last = mine.catch(() => undefined)
  return mine
}

function runNow(helper: Helper, words: readonly string[]): Promise<void> {
  // A line break would look like the begin of an answer.
  if (words.some((word) => /[\0\n]/.test(word))) return Promise.reject(new HelperUnavailable('not for a helper'))
  const child = runningChild(helper)
  if (child === undefined) return Promise.reject(new HelperUnavailable('there is no xargs'))
  return new Promise((resolve, reject) => {
    const finish = (answer: () => void) => {
      clearTimeout(timer)
      for (const stream of outputs) stream.removeListener('data', read)
      child.removeListener('close', gone)
      child.removeListener('error', gone)
      keepAlive(child, false)
      answer()
    }
    const gone = () => finish(() => reject(new HelperUnavailable('the helper has ended')))
    let text = ''
    const read = (chunk: Buffer) => {
      text += chunk.toString('utf8')
      // Further lines of a failure before this one begin with blanks.
      const line = text
        .split('\n')
        .slice(0, -1)
        .find((one) => /^\S+: /.test(one))
      if (line !== undefined) finish(() => (helper.done.test(line) ? resolve() : reject(new Error(line))))
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      gone()
    }, deadlineMs)
    const outputs = [child.stdout, child.stderr]
    for (const stream of outputs) stream.on('data', read)
    child.once('close', gone)
    child.once('error', gone)
    keepAlive(child, true)
    child.stdin.write(words.map((word) => `${word}\0`).join(''))
  })
}

function runningChild(helper: Helper): ChildProcessWithoutNullStreams | undefined {
  if (helper.child !== undefined || helper.isMissing) return helper.child
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
  const child = spawn(helper.program, helper.args, { env, stdio: 'pipe' })
  const forget = () => {
    if (helper.child === child) helper.child = undefined
  }
  child.on('error', (error) => {
    helper.isMissing = errorCode(error) === 'ENOENT'
    forget()
  })
  // Where the system gives no pipes.
  if ([child.stdin, child.stdout, child.stderr].includes(undefined as never)) return undefined
  // Before the listeners of a command that waits: the next one starts another helper.
  child.on('close', forget)
  child.stdin.on('error', forget)
  helper.child = child
  return child
}

/** A helper that waits does not keep this process from ending. */
function keepAlive(child: ChildProcessWithoutNullStreams, isNeeded: boolean): void {
  for (const part of [child, child.stdin, child.stdout, child.stderr] as { ref?(): void; unref?(): void }[])
    if (isNeeded) part.ref?.()
    else part.unref?.()
}
