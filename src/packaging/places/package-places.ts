import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import packageJson from '../../../package.json' with { type: 'json' }

export interface PackagePlaces {
  /** Directory of the package. */
  packageRoot: string
  version: string
  /** Where images and compiled code are cached between labs. */
  cacheDirectory: string
  /** The user's home directory. */
  userHome: string
  /** How the user calls this program, for hints: `keymount` or `npx keymount`. */
  programName: string
}

export function packagePlaces(env: Readonly<Record<string, string | undefined>>): PackagePlaces {
  return {
    packageRoot: resolve(import.meta.dirname, '../../..'),
    version: packageJson.version,
    cacheDirectory: join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'keymount'),
    userHome: homedir(),
    programName: env.npm_command === 'exec' ? 'npx keymount' : 'keymount',
  }
}
