import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { findProgram } from './find-program.ts'
import { type Cleanup, temporaryDirectory } from './temporary-directory.ts'

const source = join(import.meta.dirname, '../../src/packaging/image/relay')

export const goMissing = 'go is not installed: put one on the PATH or name it in KEYMOUNT_GO'

/** The Go compiler that $KEYMOUNT_GO names, else the first on the PATH. */
export function findGo(): string | undefined {
  return findProgram('go', 'KEYMOUNT_GO')
}

/** Builds the relay of the Windows image for this machine. */
export function buildRelay(t: Cleanup): string {
  const path = join(temporaryDirectory(t), 'relay')
  const { status, stderr } = spawnSync(findGo() ?? 'go', ['build', '-trimpath', '-o', path, '.'], {
    cwd: source,
    encoding: 'utf8',
    env: { ...process.env, CGO_ENABLED: '0' },
  })
  if (status !== 0) throw new Error(`go build: ${stderr}`)
  return path
}

export interface TestRelay {
  port: number
  secret: string
  child: ChildProcess
}

/** A relay with a program that only prints the address and waits. */
export async function startRelay(t: Cleanup, program: string): Promise<TestRelay> {
  const child = spawn(program, ['sh', '-c', 'echo $KEYMOUNT_RELAY; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.stdin.end()
    await ended
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const [port = '', secret = ''] = line.trim().split(':')
  return { port: Number(port), secret, child }
}
