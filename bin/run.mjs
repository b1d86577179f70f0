// Plain JavaScript on purpose: this is what the machine's own Node runs before the package has brought Node 24.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)))

const ownNode = join(packageRoot, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')

// Compiled code of the sources: with it, a start takes half the time.
const compileCache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'keymount', 'compiled')

/** Installs the package's dependencies (its own Node 24 among them) if this is a fresh clone. */
export function ensureInstalled() {
  if (existsSync(join(packageRoot, 'node_modules', '.package-lock.json'))) return
  process.stderr.write('keymount: first run, installing the packages it needs (about 15 s) ...\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: packageRoot,
    stdio: ['ignore', process.stderr, process.stderr],
  })
  if (npm.status !== 0) {
    process.stderr.write('keymount: npm ci failed; see above\n')
    process.exit(1)
  }
}

/**
 * Runs a TypeScript file of the package with these arguments: in this process if its Node is new enough, else in the
 * package's own Node 24 as if that were this process, with the same streams, signals and exit status.
 */
export async function run(file, args) {
  ensureInstalled()
  const path = resolve(file)
  if (isVersion(24, 3)) {
    module.enableCompileCache?.(compileCache)
    // Programs that this one starts find the same Node.
    process.env.PATH = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`
    process.argv.splice(1, process.argv.length, path, ...args)
    await import(pathToFileURL(path).href)
    return
  }
  spawnNode([path, ...args])
}

/** Whether this Node is of this version or newer. Since 24.3 it runs TypeScript without a warning. */
function isVersion(major, minor) {
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** Runs Node 24 with these arguments as if it were this process. */
function spawnNode(args) {
  const node = nodePath()
  const env = {
    NODE_COMPILE_CACHE: compileCache,
    ...process.env,
    PATH: `${dirname(node)}:${process.env.PATH ?? ''}`,
  }
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...args], { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 1
    if (signal !== null) process.stderr.write(`keymount: ended by ${signal}\n`)
  })
}

/** Path of Node 24: the package's own, or this one where the package has none for the platform. */
function nodePath() {
  if (existsSync(ownNode)) return ownNode
  if (isVersion(22, 18)) return process.execPath
  process.stderr.write(
    `keymount: needs Node 22.18 or newer on ${process.platform}-${process.arch}, found ${process.versions.node}\n`,
  )
  process.exit(1)
}
