import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CodedError, errorCode } from '#lib'
import type { Environment } from './system-root.ts'
import type { ThirdParty } from './third-party.ts'

/**
 * Compiles the relay of the Windows image, with Go from the PATH of `env`. The same Go gives the same bytes.
 * @returns what of Go is in it: its standard library.
 */
export async function buildRelay({
  source,
  out,
  env,
}: {
  source: string
  out: string
  env: Environment
}): Promise<ThirdParty> {
  const go = async (...args: string[]) => {
    const target = { ...env, CGO_ENABLED: '0', GOOS: 'windows', GOARCH: 'amd64', GOWORK: 'off', GOFLAGS: '' }
    return (await promisify(execFile)('go', args, { cwd: source, env: target, timeout: 600_000 })).stdout.trim()
  }
  try {
    await go('build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w -buildid=', '-o', out, '.')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    const message =
      'Cannot build the image for windows/amd64: no go on the PATH, which compiles its relay. Install Go 1.24 or later'
    throw new CodedError('ImageCompilerMissing', message)
  }
  const version = (await go('env', 'GOVERSION')).replace(/^go/, '')
  const text = readFileSync(join(await go('env', 'GOROOT'), 'LICENSE'), 'utf8')
  return { name: 'go', version, purl: `pkg:golang/std@${version}`, licence: 'BSD-3-Clause', text }
}
