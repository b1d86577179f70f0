import { type Clock, CodedError, type Problems, runProgram } from '#lib'
import { createSingleFlight } from '#lib/async'
import { listOf, parseJson, recordOf, stringOf, valueAt } from '#lib/formats'

export type CredentialPluginErrorCode = 'plugin-not-found' | 'plugin-failed' | 'plugin-without-token'

/** A kubeconfig's credential plugin gave no token. The message never holds its standard output. */
export class CredentialPluginError extends CodedError<CredentialPluginErrorCode> {}

/** Enough for a sign-in in a browser. */
const deadlineMs = 120_000

/** A token is replaced this long before it expires. */
const marginMs = 60_000

/**
 * The token of a credential plugin, such as kubelogin on AKS; held until shortly before it expires.
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 */
export function credentialPluginToken(
  plugin: Record<string, unknown>,
  problems: Problems,
  { environment, clock }: { environment: Readonly<Record<string, string | undefined>>; clock: Clock },
): (() => Promise<string>) | undefined {
  const command = stringOf(plugin.command)
  if (command === undefined) {
    problems.add('users[].user.exec.command', 'missing')
    return undefined
  }
  const args = (listOf(plugin.args) ?? []).map(String)
  const env = { ...definedOnly(environment), ...variablesOf(plugin.env) }
  let held: { token: string; expiresAt: number } | undefined
  const flight = createSingleFlight<string>()
  return () =>
    flight('token', async () => {
      if (held !== undefined && held.expiresAt - clock.elapsed() > marginMs) return held.token
      const { token, expirationTimestamp } = await run(command, args, env)
      const lifetime = expirationTimestamp === undefined ? Infinity : Date.parse(expirationTimestamp) - clock.now()
      held = { token, expiresAt: clock.elapsed() + lifetime }
      return token
    })
}

async function run(command: string, args: string[], env: Record<string, string>) {
  const { status, stdout, stderr } = await runProgram({ program: command, args, env, deadlineMs })
  const what = `the credential plugin ${command}`
  if (status === undefined) throw new CredentialPluginError('plugin-not-found', `${what} is not installed`)
  if (status !== 0) {
    const why = stderr.trim().slice(0, 1000)
    throw new CredentialPluginError('plugin-failed', `${what} ended with status ${status}: ${why}`)
  }
  const answer = parseJson(`the output of ${what}`, stdout)
  const token = stringOf(valueAt(answer, 'status', 'token'))
  if (token === undefined) throw new CredentialPluginError('plugin-without-token', `${what} printed no token`)
  return { token, expirationTimestamp: stringOf(valueAt(answer, 'status', 'expirationTimestamp')) }
}

function variablesOf(list: unknown): Record<string, string> {
  const entries = (listOf(list) ?? []).map((entry) => recordOf(entry) ?? {})
  return Object.fromEntries(
    entries.flatMap(({ name, value }) => (typeof name === 'string' ? [[name, String(value ?? '')]] : [])),
  )
}

function definedOnly(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(entries)
}
