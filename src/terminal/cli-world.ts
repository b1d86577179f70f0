import type { HttpClientOptions } from '#lib/http'
import type { Output } from './output.ts'

/** The outside world of one run of the command line, handed in by `src/bin/cli.ts`. */
export interface CliWorld {
  /** Words after the program's name. */
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  /** Proxy and trusted certificates for Azure, from the environment. Rejects with `ProblemsError` when that cannot be used. */
  azureHttp(): Promise<Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa'>>
  stdout: Output
  stderr: Output
  /** Directory of the package. */
  packageRoot: string
  version: string
  /** Where images and compiled code are cached between labs. */
  cacheDirectory: string
  /** The user's home directory. */
  userHome: string
  /** How the user calls this program, for hints: `keymount` or `npx keymount`. */
  programName: string
  /** Aborted when the user asks to stop (SIGINT, SIGTERM). */
  signal: AbortSignal
}
