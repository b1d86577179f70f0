import { readFileSync } from 'node:fs'
import { type Credential, cloudNames, readTokenClaims } from '#azure/identity'
import { type AzureCloud, findAzureCloud } from '#azure/rest'
import { errorMessage, type Problem, ProblemsError, SecretValue } from '#lib'
import type { CliWorld } from '#terminal'
import { subscriptionOfAzConfig } from './az-cli.ts'

/** How the user wants to sign in to Azure, as the command line gives it. */
export interface AzureFlags {
  azureEnv?: string
  subscriptionId?: string
  tenantId?: string
  authMethod?: string
  clientId?: string
  clientSecretFile?: string
  certificatePath?: string
  privateKeyPath?: string
}

export const authMethods = [
  'cli',
  'client_secret',
  'client_certificate',
  'workload_identity',
  'managed_identity',
] as const

export interface AzureSettings {
  cloud: AzureCloud
  /** Undefined only where nothing in a subscription is asked for. */
  subscriptionId: string | undefined
  tenantId: string | undefined
  signIn: SignIn
}

/** `cli`: by the token that az holds. Otherwise a credential, complete but for the tenant, which Azure tells. */
export type SignIn = { kind: 'cli' } | { kind: 'credential'; credentialIn: (tenantId: string) => Credential }

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Reads the flags; what they leave out may stand in the environment (`AZURE_CLIENT_ID` …). Throws {@link ProblemsError}. */
export function parseAzureFlags(
  flags: AzureFlags,
  world: Pick<CliWorld, 'env' | 'userHome'>,
  { needsSubscription = true }: { needsSubscription?: boolean } = {},
): AzureSettings {
  const { env } = world
  const problems: Problem[] = []
  const cloudName = flags.azureEnv ?? 'AzurePublicCloud'
  const cloud = findAzureCloud(cloudName)
  if (cloud === undefined) {
    problems.push({ path: '--azure-env', message: `found "${cloudName}", expected one of ${cloudNames.join(', ')}` })
  }
  const subscriptionId = flags.subscriptionId ?? env.AZURE_SUBSCRIPTION_ID ?? subscriptionOfAzConfig(world)
  if (needsSubscription && !guid.test(subscriptionId ?? '')) {
    problems.push({ path: '', message: '--subscription-id is required (and must be a valid UUID)' })
  }
  const signIn = parseSignIn(flags, env, problems)
  if (problems.length > 0 || cloud === undefined) throw new ProblemsError('sign-in to Azure', problems)
  return { cloud, subscriptionId, tenantId: flags.tenantId ?? env.AZURE_TENANT_ID, signIn }
}

function parseSignIn(flags: AzureFlags, env: CliWorld['env'], problems: Problem[]): SignIn {
  const missing = (message: string) => void problems.push({ path: '', message })
  const clientId = flags.clientId ?? env.AZURE_CLIENT_ID ?? ''
  const needClientId = () => {
    if (!guid.test(clientId)) missing(`--client-id is required (and must be a valid UUID): found "${clientId}"`)
  }
  const { method, isCli } = methodOf(flags, env)
  if (isCli) return { kind: 'cli' }
  const by = (credentialIn: (tenantId: string) => Credential): SignIn => ({ kind: 'credential', credentialIn })
  switch (method) {
    case 'client_secret': {
      needClientId()
      const secret = clientSecret(flags, env, problems)
      return by((tenantId) => ({
        kind: 'service-principal',
        tenantId,
        clientId,
        proof: { kind: 'secret', secret },
      }))
    }
    case 'client_certificate': {
      needClientId()
      const certificate = pemPair(flags, env, problems)
      const proof = { kind: 'certificate', certificate, password: undefined } as const
      return by((tenantId) => ({ kind: 'service-principal', tenantId, clientId, proof }))
    }
    case 'workload_identity': {
      needClientId()
      const path = env.AZURE_FEDERATED_TOKEN_FILE ?? ''
      if (path === '') missing('AZURE_FEDERATED_TOKEN_FILE is required by --auth-method workload_identity')
      return by((tenantId) => ({ kind: 'workload', tenantId, clientId, assertion: readAssertion(path) }))
    }
    case 'managed_identity':
      return by((tenantId) => ({ kind: 'managed', tenantId, clientId: clientId === '' ? undefined : clientId }))
    default:
      problems.push({
        path: '--auth-method',
        message: `found "${flags.authMethod ?? ''}", expected one of ${authMethods.join(', ')}`,
      })
      return { kind: 'cli' }
  }
}

/** As upstream's: with a client id and a secret at hand, `cli` means `client_secret`. */
function methodOf(flags: AzureFlags, env: CliWorld['env']): { method: string; isCli: boolean } {
  const method = flags.authMethod ?? 'cli'
  const hasSecret = (flags.clientSecretFile ?? env.AZURE_CLIENT_SECRET ?? '') !== ''
  if (method === 'cli' && flags.clientId !== undefined && hasSecret) return { method: 'client_secret', isCli: false }
  return { method, isCli: method === 'cli' }
}

function clientSecret(flags: AzureFlags, env: CliWorld['env'], problems: Problem[]): SecretValue {
  const { clientSecretFile } = flags
  if (clientSecretFile !== undefined) {
    const text = readFile('--client-secret-file', clientSecretFile, problems)
    return SecretValue.of(text.replace(/\r?\n$/, ''))
  }
  const secret = env.AZURE_CLIENT_SECRET ?? ''
  if (secret === '') {
    const message = 'a client secret is required: AZURE_CLIENT_SECRET in the environment, or --client-secret-file'
    problems.push({ path: '', message })
  }
  return SecretValue.of(secret)
}

function pemPair(flags: AzureFlags, env: CliWorld['env'], problems: Problem[]): SecretValue {
  const certificatePath = flags.certificatePath ?? env.AZURE_CLIENT_CERTIFICATE_PATH ?? ''
  const { privateKeyPath = '' } = flags
  if (certificatePath === '') problems.push({ path: '', message: '--certificate-path is required' })
  // A PEM file may hold both, as the SDKs expect of AZURE_CLIENT_CERTIFICATE_PATH.
  const certificate = certificatePath === '' ? '' : readFile('--certificate-path', certificatePath, problems)
  if (privateKeyPath === '' && !certificate.includes('PRIVATE KEY-----')) {
    problems.push({ path: '', message: '--private-key-path is required' })
    return SecretValue.of(certificate)
  }
  const key = privateKeyPath === '' ? '' : readFile('--private-key-path', privateKeyPath, problems)
  return SecretValue.of(`${certificate}\n${key}`)
}

function readFile(flag: string, path: string, problems: Problem[]): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    problems.push({ path: flag, message: `cannot read ${path}: ${errorMessage(error)}` })
    return ''
  }
}

function readAssertion(path: string) {
  const token = readFileSync(path, 'utf8').trim()
  return { token: SecretValue.of(token), claims: readTokenClaims(token) }
}
