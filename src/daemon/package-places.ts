import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where the package is, which version, and where it keeps images and compiled code between labs. */
export function packagePlaces(env: NodeJS.ProcessEnv) {
  const packageRoot = resolve(import.meta.dirname, '../..')
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  return {
    packageRoot,
    version,
    cacheDirectory: join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'keymount'),
    userHome: homedir(),
    programName: env.npm_command === 'exec' ? 'npx keymount' : 'keymount',
  }
}
