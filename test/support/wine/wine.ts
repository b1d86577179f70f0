import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { buildRootfs, platformNamed } from '#packaging/image'
import { eventually } from '../eventually.ts'
import { findProgram } from '../find-program.ts'
import { buildRelay, findGo, goMissing } from '../relay.ts'
import { type Cleanup, temporaryDirectory } from '../temporary-directory.ts'

/** Why the tests on Wine are skipped, or false. */
export function wineMissing(): string | false {
  if (findWine() === undefined) return 'wine is not installed: apt-get install wine64, or name it in KEYMOUNT_WINE'
  return findGo() === undefined ? goMissing : false
}

/** Debian's package wine64 puts it where no PATH leads. */
const debianWine = '/usr/lib/wine/wine64'
const findWine = () => findProgram('wine64', 'KEYMOUNT_WINE') ?? (existsSync(debianWine) ? debianWine : undefined)

const platform = platformNamed('windows/amd64')
const imageCache = join(import.meta.dirname, '../../../dist/image')

/** A Windows that has the programs of the image, in a new prefix. */
export interface Wine {
  /** Where `C:\` is on Linux. */
  drive: string
  /** The path on Linux of a path below `C:\`. */
  unix(path: string): string
  /** Starts a program of the image as its entry point does, under the relay; resolves when it has logged `ready`. */
  start(program: string, args: readonly string[], options: StartOptions): Promise<WineProcess>
}

export interface StartOptions {
  ready: string
  env?: Readonly<Record<string, string>>
}

export interface WineProcess {
  output(): string
  /** Asks it to end as the end of its container does; the exit status. */
  stop(): Promise<number | null>
}

/** Takes some ten seconds: the image is built if it has changed, and Wine fills its prefix. */
export async function startWine(t: Cleanup): Promise<Wine> {
  const prefix = join(temporaryDirectory(t, 'w-'), 'w')
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    WINEPREFIX: prefix,
    WINEDEBUG: '-all',
    // Neither .NET nor a browser: Wine would ask whether to install them.
    WINEDLLOVERRIDES: 'mscoree=;mshtml=',
  }
  const wine = (...args: string[]) => promisify(execFile)(findWine() ?? '', args, { env, timeout: 120_000 })
  const [relay] = [buildRelay(t), mkdirSync(prefix, { recursive: true })]
  await wine('wineboot', '-i')
  // Wine 8 starts as Windows 7, which Node refuses.
  await wine('reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/t', 'REG_SZ', '/d', 'win10', '/f')
  const drive = join(prefix, 'drive_c')
  const { path: image } = await buildRootfs(imageCache, { platform, env: process.env })
  const program = join(drive, 'hpc')
  cpSync(join(image, platform.program), program, { recursive: true })
  writeFileSync(join(program, 'node.exe'), nodeForWine(join(image, platform.node)), { mode: 0o755 })
  const processes = new Set<ChildProcess>()
  t.after(async () => {
    for (const child of processes) child.kill('SIGKILL')
    await promisify(execFile)(join(dirname(findWine() ?? ''), 'wineserver'), ['-k'], { env }).catch(() => {})
  })
  const unix = (path: string) => join(drive, path.replace(/^c:/i, '').replaceAll('\\', '/'))
  const links = { KEYMOUNT_TEST_LINKS: 'C:\\links.json', KEYMOUNT_TEST_DRIVE: drive }
  // The relay of the image does not run on Wine 8, which has no Unix sockets: that of Linux takes its place.
  const [, node, ...words] = platform.command.entrypoint
  const preload = `Z:${join(import.meta.dirname, 'links.cjs').replaceAll('/', '\\')}`
  const first = [findWine() ?? '', `C:\\hpc\\${node}`, '--require', preload, ...words]
  return {
    drive,
    unix,
    async start(name, args, { ready, env: more = {} }) {
      const log = join(prefix, `${name}-${processes.size}.log`)
      // A file, because Wine cannot write to the sockets that Node makes for output.
      const output = openSync(log, 'a')
      const child = spawn(relay, [...first, name, ...args], {
        env: { ...env, ...links, ...more },
        cwd: program,
        stdio: ['ignore', output, output],
      })
      closeSync(output)
      processes.add(child)
      const ended = once(child, 'exit')
      const text = () => readFileSync(log, 'utf8')
      await eventually(() => {
        if (child.exitCode !== null) throw new Error(`the ${name} ended: ${text()}`)
        if (!text().includes(ready)) throw new Error(`the ${name} has not started: ${text()}`)
      })
      return {
        output: text,
        async stop() {
          child.kill('SIGTERM')
          const [status] = (await ended) as [number | null]
          processes.delete(child)
          return status
        },
      }
    },
  }
}

/**
 * Node 24 reserves memory with placeholders where the system has VirtualAlloc2, as every Windows 10 does. Wine 8 has the function and not
 * the placeholders, so that Node ends at its start. Without the name it does as on older systems.
 */
function nodeForWine(path: string): Buffer {
  const bytes = readFileSync(path)
  const name = Buffer.from('\0VirtualAlloc2\0')
  const at = bytes.indexOf(name)
  if (at < 0) throw new Error(`${path} does not look for VirtualAlloc2`)
  bytes.write('\0VirtualAlloc_\0', at, 'latin1')
  return bytes
}
