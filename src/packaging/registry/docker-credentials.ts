import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, type RunProgram, runProgram, SecretValue } from '#lib'
import { parseJson, recordOf, stringOf } from '#lib/formats'
import type { RegistryCredentials } from './registry-client.ts'
import { RegistryError } from './registry-error.ts'

export interface CredentialSources {
  env: Readonly<Record<string, string | undefined>>
  /** The user's home directory. */
  userHome: string
  /** Default: runs it. */
  run?: RunProgram | undefined
  signal?: AbortSignal | undefined
}

/** Docker Hub's entry has the address of an API that is gone. */
const keyOf: Readonly<Record<string, string>> = { 'docker.io': 'https://index.docker.io/v1/' }

/**
 * What `docker login` (or crane, oras, podman with Docker's file) has stored for a registry, in the file or in a credential
 * helper. Undefined when there is nothing. https://docs.docker.com/reference/cli/docker/login/#credential-stores
 * Throws {@link RegistryError} for a file or a helper that cannot be used.
 */
export async function dockerCredentials(
  registry: string,
  sources: CredentialSources,
): Promise<RegistryCredentials | undefined> {
  const { env, userHome } = sources
  const path = join(env.DOCKER_CONFIG || join(userHome, '.docker'), 'config.json')
  const config = readConfig(path)
  if (config === undefined) return undefined
  const key = keyOf[registry] ?? registry
  const helper = stringOf(recordOf(config.credHelpers)?.[key]) ?? stringOf(config.credsStore)
  const stored = helper === undefined || helper === '' ? undefined : await askHelper(helper, key, sources)
  return stored ?? credentialsIn(config, key, path)
}

function readConfig(path: string): Record<string, unknown> | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    throw error
  }
  const config = recordOf(parseJson(path, text))
  if (config === undefined) throw new RegistryError('refused', `${path} is not a JSON object`)
  return config
}

function credentialsIn(config: Record<string, unknown>, key: string, path: string): RegistryCredentials | undefined {
  const auths = recordOf(config.auths) ?? {}
  const entry = [key, `https://${key}`, `https://${key}/v1/`, `https://${key}/v2/`]
    .map((name) => recordOf(auths[name]))
    .find((each) => each !== undefined)
  if (entry === undefined) return undefined
  const identityToken = stringOf(entry.identitytoken) ?? ''
  if (identityToken !== '') return { kind: 'refresh-token', token: SecretValue.of(identityToken) }
  const auth = stringOf(entry.auth) ?? ''
  const [username, password] =
    auth === ''
      ? [stringOf(entry.username), stringOf(entry.password)]
      : splitOnce(Buffer.from(auth, 'base64').toString('utf8'))
  if (username === undefined || password === undefined) {
    // An entry without anything is what a credential store leaves in the file.
    if (auth === '') return undefined
    throw new RegistryError('refused', `${path}: auths[${JSON.stringify(key)}].auth is not base64 of USER:PASSWORD`)
  }
  return { kind: 'password', username, password: SecretValue.of(password) }
}

function splitOnce(text: string): [string | undefined, string | undefined] {
  const colon = text.indexOf(':')
  return colon < 0 ? [undefined, undefined] : [text.slice(0, colon), text.slice(colon + 1)]
}

/** https://github.com/docker/docker-credential-helpers */
async function askHelper(
  helper: string,
  key: string,
  { env, run = runProgram, signal }: CredentialSources,
): Promise<RegistryCredentials | undefined> {
  const program = `docker-credential-${helper}`
  if (!/^[\w.-]{1,100}$/.test(helper))
    throw new RegistryError('refused', 'the name of a credential helper is not valid')
  const passed = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const { status, stdout } = await run({
    program,
    args: ['get'],
    input: key,
    env: Object.fromEntries(passed),
    signal,
  })
  if (status === undefined)
    throw new RegistryError('refused', `${program}, which Docker's configuration names, is missing`)
  // Also when it has none for this registry: what helpers print then differs.
  if (status !== 0) return undefined
  const answer = readAnswer(program, stdout)
  const [username, secret] = [stringOf(answer.Username) ?? '', stringOf(answer.Secret) ?? '']
  if (secret === '') return undefined
  return username === '<token>'
    ? { kind: 'refresh-token', token: SecretValue.of(secret) }
    : { kind: 'password', username, password: SecretValue.of(secret) }
}

function readAnswer(program: string, text: string): Record<string, unknown> {
  try {
    return recordOf(JSON.parse(text)) ?? {}
  } catch {
    // The parser's message would quote what may be a secret.
    throw new RegistryError('refused', `${program} printed something other than JSON`)
  }
}
