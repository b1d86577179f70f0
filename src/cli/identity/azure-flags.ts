import { readFileSync } from 'node:fs'
import { type Credential, cloudNames, readTokenClaims } from '#azure/identity'
import { type AzureCloud, findAzureCloud } from '#azure/rest'
import { errorMessage, isUuid, Problems, ProblemsError, SecretValue } from '#lib'
import type { CliWorld } from '#terminal'
import { subscriptionOfAzConfig } from './az-cli.ts'
import { type AzureFlags, authMethods } from './sign-in-options.ts'

export interface AzureSettings {
  cloud: AzureCloud
  /** Undefined only if nothing of a subscription is needed. */
  subscriptionId: string | undefined
  tenantId: string | undefined
  signIn: AzureSignIn
}

/** `cli`: with the token of az. Otherwise with a credential, which is complete except for the tenant. */
export type AzureSignIn = { kind: 'cli' } | { kind: 'credential'; credentialIn: (tenantId: string) => Credential }

/** Reads the flags, and the environment (`AZURE_CLIENT_ID` …) where a flag is absent. Throws {@link ProblemsError}. */
export function parseAzureFlags(
  flags: AzureFlags,
  world: Pick<CliWorld, 'env' | 'userHome'>,
  { needsSubscription = true }: { needsSubscription?: boolean } = {},
): AzureSettings {
  const { env } = world
  const what = 'sign-in to Azure'
  const problems = new Problems()
  const cloudName = flags.azureEnv ?? 'AzurePublicCloud'
  const cloud = findAzureCloud(cloudName)
  if (cloud === undefined) problems.unexpected('--azure-env', cloudName, `one of ${cloudNames.join(', ')}`)
  const subscriptionId = flags.subscriptionId ?? env.AZURE_SUBSCRIPTION_ID ?? subscriptionOfAzConfig(world)
  if (needsSubscription && !isUuid(subscriptionId ?? '')) {
    problems.add('', '--subscription-id is required (and must be a valid UUID)')
  }
  const signIn = parseSignIn(flags, env, problems)
  problems.throwIfAny(what)
  if (cloud === undefined) throw new ProblemsError(what, problems.list)
  return { cloud, subscriptionId, tenantId: flags.tenantId ?? env.AZURE_TENANT_ID, signIn }
}

function parseSignIn(flags: AzureFlags, env: CliWorld['env'], problems: Problems): AzureSignIn {
  const clientId = flags.clientId ?? env.AZURE_CLIENT_ID ?? ''
  const needClientId = () => {
    if (isUuid(clientId)) return
    problems.add('', `--client-id is required (and must be a valid UUID): found ${JSON.stringify(clientId)}`)
  }
  const by = (credentialIn: (tenantId: string) => Credential): AzureSignIn => ({ kind: 'credential', credentialIn })
  const method = methodOf(flags, env)
  switch (method) {
    case 'cli':
      return { kind: 'cli' }
    case 'client_secret': {
      needClientId()
      const proof = { kind: 'secret', secret: clientSecret(flags, env, problems) } as const
      return by((tenantId) => ({ kind: 'service-principal', tenantId, clientId, proof }))
    }
    case 'client_certificate': {
      needClientId()
      const proof = { kind: 'certificate', certificate: pemPair(flags, env, problems), password: undefined } as const
      return by((tenantId) => ({ kind: 'service-principal', tenantId, clientId, proof }))
    }
    case 'workload_identity': {
      needClientId()
      const path = env.AZURE_FEDERATED_TOKEN_FILE ?? ''
      if (path === '') problems.add('', 'AZURE_FEDERATED_TOKEN_FILE is required by --auth-method workload_identity')
      return by((tenantId) => ({ kind: 'workload', tenantId, clientId, assertion: readAssertion(path) }))
    }
    case 'managed_identity':
      return by((tenantId) => ({ kind: 'managed', tenantId, clientId: clientId === '' ? undefined : clientId }))
    default:
      problems.unexpected('--auth-method', method, `one of ${authMethods.join(', ')}`)
      return { kind: 'cli' }
  }
}

/** As in azwi, `cli` means `client_secret` when a client id and a secret are given. */
function methodOf({ authMethod = 'cli', clientId, clientSecretFile }: AzureFlags, env: CliWorld['env']): string {
  const hasSecret = (clientSecretFile ?? env.AZURE_CLIENT_SECRET ?? '') !== ''
  return authMethod === 'cli' && clientId !== undefined && hasSecret ? 'client_secret' : authMethod
}

function clientSecret({ clientSecretFile }: AzureFlags, env: CliWorld['env'], problems: Problems): SecretValue {
  if (clientSecretFile !== undefined) {
    const text = readFile('--client-secret-file', clientSecretFile, problems)
    return SecretValue.of(text.replace(/\r?\n$/, ''))
  }
  const secret = env.AZURE_CLIENT_SECRET ?? ''
  if (secret === '') {
    problems.add('', 'a client secret is required: AZURE_CLIENT_SECRET in the environment, or --client-secret-file')
  }
  return SecretValue.of(secret)
}

function pemPair(flags: AzureFlags, env: CliWorld['env'], problems: Problems): SecretValue {
  const certificatePath = flags.certificatePath ?? env.AZURE_CLIENT_CERTIFICATE_PATH ?? ''
  const { privateKeyPath = '' } = flags
  if (certificatePath === '') problems.add('', '--certificate-path is required')
  // One PEM file may have both, as the SDKs expect of AZURE_CLIENT_CERTIFICATE_PATH.
  const certificate = certificatePath === '' ? '' : readFile('--certificate-path', certificatePath, problems)
  if (privateKeyPath === '' && !certificate.includes('PRIVATE KEY-----')) {
    problems.add('', '--private-key-path is required')
    return SecretValue.of(certificate)
  }
  const key = privateKeyPath === '' ? '' : readFile('--private-key-path', privateKeyPath, problems)
  return SecretValue.of(`${certificate}\n${key}`)
}

function readFile(flag: string, path: string, problems: Problems): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    problems.add(flag, `cannot read ${path}: ${errorMessage(error)}`)
    return ''
  }
}

function readAssertion(path: string) {
  const token = readFileSync(path, 'utf8').trim()
  return { token: SecretValue.of(token), claims: readTokenClaims(token) }
}
