import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../support/find-program.ts'

const folder = join(import.meta.dirname, '../../examples/apps')

/** One sample of `examples/apps`: a server that accepts the API key of a mounted volume. */
export interface Application {
  language: string
  /** The file that docs/use-in-your-app.md shows as a whole. */
  shown: string
  /** Why it cannot run on this machine, if so. */
  missing: string | undefined
  /** Port to listen on. Default 0: a free one. */
  port?: number
  /** Builds it in an empty directory, and gives the command that starts it. */
  build(directory: string): Promise<readonly string[]>
}

const python = findProgram('python3', 'KEYMOUNT_PYTHON')
const go = findProgram('go', 'KEYMOUNT_GO')
const javac = findProgram('javac', 'KEYMOUNT_JAVAC')
const java = findProgram('java', 'KEYMOUNT_JAVA')
const dotnet = findProgram('dotnet', 'KEYMOUNT_DOTNET')

export const applications: readonly Application[] = [
  {
    language: 'JavaScript',
    shown: 'javascript/secrets.mjs',
    missing: undefined,
    build: async () => [process.execPath, join(folder, 'javascript/app.mjs')],
  },
  {
    language: 'Python',
    shown: 'python/secrets_volume.py',
    missing: whenMissing('python3', python),
    build: async () => [python ?? '', '-B', join(folder, 'python/app.py')],
  },
  {
    language: 'Go',
    shown: 'go/secrets.go',
    missing: whenMissing('go', go),
    async build(directory) {
      const program = join(directory, 'app')
      const GOCACHE = join(import.meta.dirname, '../../node_modules/.cache/tests/go-build')
      const env = { ...process.env, GOCACHE, GOFLAGS: '', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' }
      await run(go ?? '', ['build', '-o', program, '.'], { cwd: join(folder, 'go'), env })
      return [program]
    },
  },
  {
    language: 'Java',
    shown: 'java/SecretsVolume.java',
    missing: whenMissing('javac', javac) ?? whenMissing('java', java),
    async build(directory) {
      const sources = ['App.java', 'SecretsVolume.java'].map((name) => join(folder, 'java', name))
      await run(javac ?? '', ['-Xlint:all', '-Werror', '-d', directory, ...sources])
      return [java ?? '', '-cp', directory, 'App']
    },
  },
  {
    language: '.NET',
    shown: 'dotnet/SecretsVolume.cs',
    missing: whenMissing('dotnet', dotnet),
    port: 18_000 + (process.pid % 1000), // HttpListener cannot take a free one
    async build(directory) {
      await run(dotnet ?? '', ['publish', join(folder, 'dotnet'), '--artifacts-path', directory, '-o', directory])
      return [dotnet ?? '', join(directory, 'app.dll')]
    },
  },
]

/** Servers that show the certificate of a mounted volume. */
export const tlsServers = [
  { language: 'JavaScript', missing: undefined, command: [process.execPath, join(folder, 'javascript/tls.mjs')] },
  {
    language: 'Python',
    missing: whenMissing('python3', python),
    command: [python ?? '', '-B', join(folder, 'python/tls.py')],
  },
]

const run = promisify(execFile)

function whenMissing(name: string, found: string | undefined): string | undefined {
  return found === undefined ? `${name} is not installed` : undefined
}
