// Plain JavaScript on purpose: this is what the machine's own Node runs before the package has brought Node 24.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)))

const ownNode = join(packageRoot, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')

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

/** Path of Node 24: the package's own, or this one where the package has none for the platform. */
export function nodePath() {
  if (existsSync(ownNode)) return ownNode
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath
  process.stderr.write(
    `keymount: needs Node 22.18 or newer on ${process.platform}-${process.arch}, found ${process.versions.node}\n`,
  )
  process.exit(1)
}

/** Runs Node 24 with these arguments as if it were this process: same streams, signals and exit status. */
export function runNode(args) {
  ensureInstalled()
  const node = nodePath()
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH ?? ''}` }
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...args], { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 1
    if (signal !== null) process.stderr.write(`keymount: ended by ${signal}\n`)
  })
}
