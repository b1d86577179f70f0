// The tests. `npm test` runs everything that needs only Node: unit tests, front-door tests and the end-to-end cases on the
// local cluster. `npm run e2e` runs the end-to-end cases on the cluster that KUBECONFIG names. Arguments that are not flags
// name test files, or folders of them, instead.
//
// This program prepares the surroundings and removes them: a directory for temporary files and, where the kernel allows it,
// namespaces for processes and mounts, so that nothing is left of a run, however it ends. scripts/run-tests.ts runs the files.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, globSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { testEnvironment } from './test-environment.ts'

const root = join(import.meta.dirname, '..')
const words = process.argv.slice(2)
const real = words.includes('--e2e-real')
const named = words.filter((word) => !word.startsWith('--')).flatMap(filesOf)

const endToEnd = globSync('test/e2e/*.test.ts', { cwd: root })
const others = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root }).filter(
  (file) => !file.startsWith('test/e2e/'),
)
/** Files of a minute and more. They begin first, so that none of them is alone at the end. */
const long = [
  'test/walkthroughs/walkthroughs.test.ts',
  'test/cli/doctor-faults.test.ts',
  'test/cli/identity-with-az.test.ts',
  'test/lab/azure/az.test.ts',
  'test/e2e/e2e.test.ts',
  'test/lab/home/managed-clusters.test.ts',
  'test/packaging/charts/empty-values.test.ts',
]
const files = named.length > 0 ? named : real ? endToEnd : [...others, ...endToEnd]

if (real && named.length === 0) {
  const { reasonForNoRun } = await import('./check-e2e-cluster.ts')
  const reason = await reasonForNoRun()
  if (reason !== undefined) {
    process.stderr.write(`keymount: the end-to-end cases cannot run on this cluster.\n${reason}\n`)
    process.exit(1)
  }
}

// Short, because the path of a socket may have 107 characters.
const temporary = mkdtempSync(join(tmpdir(), 'k-'))
// Tests run programs as other users, whose paths lead through it.
chmodSync(temporary, 0o711)
const [program = '', ...args] = [
  ...namespaces(),
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(root, 'scripts/run-tests.ts'),
  // The files of the end-to-end cases share the one real cluster, and each checks that nothing is left on it. Of the others, most
  // wait for clusters and programs more than half of their time: one more than there are processors.
  `--concurrency=${real ? 1 : availableParallelism() + 1}`,
  ...files.toSorted(longFirst),
]
const env = { ...testEnvironment(process.env), KEYMOUNT_E2E: real ? 'real' : 'local', TMPDIR: temporary }
// Its own session, so that Ctrl-C reaches this program alone; the end of descriptor 3 is what stops the tests.
const child = spawn(program, args, { cwd: root, env, detached: true, stdio: ['ignore', 'inherit', 'inherit', 'pipe'] })

let interrupted: NodeJS.Signals | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted !== undefined) endAll()
    interrupted = signal
    child.stdio[3]?.destroy()
    setTimeout(endAll, 10_000).unref()
  })
}

child.on('close', (code) => {
  endAll()
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 })
  process.exitCode = interrupted === undefined ? (code ?? 1) : interrupted === 'SIGINT' ? 130 : 143
})

/** Ends what is left of the session; with it goes the process namespace, if there is one. */
function endAll(): void {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
  } catch {
    // Nothing is left.
  }
}

/** A file as it is, and all test files of a folder. */
function filesOf(path: string): string[] {
  const found = statSync(path, { throwIfNoEntry: false })
  const files = found?.isDirectory() ? globSync(join(path, '**/*.test.ts')) : [path]
  if (found !== undefined && files.length > 0) return files
  process.stderr.write(`keymount: there is no test file ${path}, nor a folder with test files\n`)
  process.exit(1)
}

function longFirst(a: string, b: string): number {
  const [longA, longB] = [long.indexOf(a), long.indexOf(b)].map((index) => (index < 0 ? long.length : index))
  return (longA ?? 0) - (longB ?? 0) || (a < b ? -1 : 1)
}

/**
 * The command that gives the tests namespaces of their own. Without root, a user namespace gives the right to mount.
 * A shell is the first process of the namespace, because it waits for orphans. specs: user_namespaces(7), pid_namespaces(7)
 */
function namespaces(): string[] {
  if (real) return []
  const user = process.getuid?.() === 0 ? [] : ['-Ur']
  const full = ['unshare', ...user, '-mpf', '--kill-child', '--mount-proc', '--propagation', 'private']
  if (runs([...full, 'true'])) return [...full, 'sh', '-c', '"$@" & wait $!', 'sh']
  if (user.length === 0) return []
  const mounts = ['unshare', '-Urm', '--propagation', 'private']
  if (runs([...mounts, 'true'])) return mounts
  process.stderr.write(
    'keymount: the tests mount tmpfs, which needs root or unprivileged user namespaces; this machine allows neither.\n' +
      'Run as root, or allow them: sysctl -w kernel.unprivileged_userns_clone=1\n',
  )
  process.exit(1)
}

function runs([command = '', ...rest]: string[]): boolean {
  return spawnSync(command, rest, { stdio: 'ignore' }).status === 0
}
