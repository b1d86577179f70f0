import { isUuid, Problems } from '#lib'
import { parseDuration } from '#lib/formats'
import { defaultApplicationName, defaultManagedIdentityName } from '../names.ts'

/** All options of the phases: those of azwi, with its defaults, and ours for managed identities. Each phase has some of them. */
export const phaseFlags = {
  identityType: {
    flag: '--identity-type <type>',
    description: 'what the service account signs in as: application or managed-identity',
    default: 'application',
  },
  serviceAccountName: { flag: '--service-account-name <name>', description: 'name of the service account' },
  serviceAccountNamespace: {
    flag: '--service-account-namespace <namespace>',
    description: 'namespace of the service account',
    default: 'default',
  },
  serviceAccountIssuerUrl: {
    flag: '--service-account-issuer-url <url>',
    description: 'issuer of the cluster’s service account tokens, exactly as in the tokens',
  },
  serviceAccountTokenExpiration: {
    flag: '--service-account-token-expiration <time>',
    description: 'lifetime of projected tokens, 1h to 24h, as a Go duration',
    default: '1h0m0s',
  },
  aadApplicationName: {
    flag: '--aad-application-name <name>',
    description: 'display name of the application (default: from namespace, service account and issuer)',
  },
  aadApplicationClientId: {
    flag: '--aad-application-client-id <id>',
    description: 'client id of the application (default: looked up by its name)',
  },
  aadApplicationObjectId: {
    flag: '--aad-application-object-id <id>',
    description: 'object id of the application (default: looked up by its name)',
  },
  servicePrincipalName: {
    flag: '--service-principal-name <name>',
    description: 'display name of the service principal (default: that of the application)',
  },
  servicePrincipalObjectId: {
    flag: '--service-principal-object-id <id>',
    description: 'object id of the service principal (default: looked up by the application)',
  },
  managedIdentityName: {
    flag: '--managed-identity-name <name>',
    description: 'name of the user-assigned managed identity (default: from namespace, service account and issuer)',
  },
  managedIdentityResourceGroup: {
    flag: '--managed-identity-resource-group <group>',
    description: 'resource group of the managed identity',
  },
  managedIdentityLocation: {
    flag: '--managed-identity-location <location>',
    description: 'region of a new managed identity (default: that of its resource group)',
  },
  azureScope: { flag: '--azure-scope <scope>', description: 'scope of the role: /subscriptions/…' },
  azureRole: { flag: '--azure-role <role>', description: 'name of the role, for example "Key Vault Secrets User"' },
  roleAssignmentId: {
    flag: '--role-assignment-id <id>',
    description: 'full id of the role assignment, as create prints it',
  },
} as const satisfies Record<string, { flag: string; description: string; default?: string }>

export type PhaseFlag = keyof typeof phaseFlags

/** The options of the command line. */
export type PhaseOptions = { [name in PhaseFlag]?: string | undefined }

/** The same with defaults filled in and numbers parsed. */
export interface PhaseSettings extends PhaseOptions {
  identityType: 'application' | 'managed-identity'
  serviceAccountNamespace: string
  /** Seconds. */
  tokenExpiration: number
}

const shortestExpiration = 3600
const longestExpiration = 86_400

/** Throws `ProblemsError` with everything that is wrong with the given values. */
export function parsePhaseOptions(options: PhaseOptions): PhaseSettings {
  const problems = new Problems()
  const { identityType = phaseFlags.identityType.default } = options
  if (identityType !== 'application' && identityType !== 'managed-identity') {
    problems.unexpected('--identity-type', identityType, 'application or managed-identity')
  }
  const guids = {
    '--aad-application-client-id': options.aadApplicationClientId,
    '--aad-application-object-id': options.aadApplicationObjectId,
    '--service-principal-object-id': options.servicePrincipalObjectId,
  }
  for (const [path, value] of Object.entries(guids)) {
    if (value !== undefined && !isUuid(value)) problems.unexpected(path, value, 'a UUID')
  }
  const tokenExpiration = parseExpiration(
    options.serviceAccountTokenExpiration ?? phaseFlags.serviceAccountTokenExpiration.default,
    problems,
  )
  problems.throwIfAny('options')
  const serviceAccountNamespace = options.serviceAccountNamespace ?? phaseFlags.serviceAccountNamespace.default
  return withDefaultNames({
    ...options,
    identityType: identityType as PhaseSettings['identityType'],
    serviceAccountNamespace,
    tokenExpiration,
  })
}

/** Seconds. The messages are those of azwi. */
export function parseExpiration(text: string, problems: Problems): number {
  const path = '--service-account-token-expiration'
  const ms = parseDuration(text)
  const seconds = Math.round((ms ?? 0) / 1000)
  if (ms === undefined) problems.unexpected(path, text, 'a duration such as 2h')
  else if (seconds < shortestExpiration) {
    problems.add('', `${path} must be greater than or equal to 1h0m0s`)
  } else if (seconds > longestExpiration) {
    problems.add('', `${path} must be less than or equal to 24h0m0s`)
  }
  return seconds
}

/** The names that are derived from the service account and the issuer. */
function withDefaultNames(settings: PhaseSettings): PhaseSettings {
  const { serviceAccountName: name, serviceAccountNamespace: namespace, serviceAccountIssuerUrl: issuer } = settings
  if (name === undefined || issuer === undefined || namespace === '') return settings
  const account = { namespace, name }
  const applicationName = settings.aadApplicationName ?? defaultApplicationName(account, issuer)
  return {
    ...settings,
    aadApplicationName: applicationName,
    managedIdentityName: settings.managedIdentityName ?? defaultManagedIdentityName(account, issuer),
  }
}
