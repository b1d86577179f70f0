// The tests. `npm test` runs everything that needs nothing but Node: unit tests, front-door tests and the end-to-end
// cases on the local cluster. `npm run e2e` runs the end-to-end cases on the cluster that KUBECONFIG names.
// Arguments that are not flags name test files instead.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const arguments_ = process.argv.slice(2)
const real = arguments_.includes('--e2e-real')
const named = arguments_.filter((word) => !word.startsWith('--'))

const endToEnd = globSync('test/e2e/*.test.ts', { cwd: root })
const others = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root }).filter(
  (file) => !file.startsWith('test/e2e/'),
)
const files = named.length > 0 ? named : real ? endToEnd : [...others, ...endToEnd]

const command = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  '--test',
  // The files of the end-to-end cases share the one real cluster, and each looks whether anything is left on it.
  `--test-concurrency=${real ? 1 : 2}`,
  '--test-timeout=600000',
  '--test-reporter=spec',
  ...files.toSorted(),
]

const env = { ...process.env, KEYMOUNT_E2E: real ? 'real' : 'local' }
const run = needsNamespace()
  ? // Without root, a user namespace gives the right to mount. specs: user_namespaces(7)
    spawnSync('unshare', ['-Urm', '--propagation', 'private', ...command], { cwd: root, stdio: 'inherit', env })
  : spawnSync(command[0] ?? '', command.slice(1), { cwd: root, stdio: 'inherit', env })
process.exitCode = run.status ?? 1

function needsNamespace(): boolean {
  if (process.getuid?.() === 0) return false
  const probe = spawnSync('unshare', ['-Urm', 'true'])
  if (probe.status === 0) return true
  process.stderr.write(
    'keymount: the tests mount tmpfs, which needs root or unprivileged user namespaces; this machine allows neither.\n' +
      'Run as root, or allow them: sysctl -w kernel.unprivileged_userns_clone=1\n',
  )
  process.exit(1)
}
