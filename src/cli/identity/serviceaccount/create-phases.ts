import { AzureRestError, assignRole, findRoleDefinition, isAzureConflict } from '../../../azure-rest/index.ts'
import { tokenExchangeAudience } from '../../../identity/index.ts'
import { retry } from '../../../lib/index.ts'
import { CliError } from '../../cli-error.ts'
import { commandLine } from '../../shell-words.ts'
import type { FederatedCredential } from '../federated-credential.ts'
import { applicationCredentialName, managedCredentialName, subjectOf } from '../names.ts'
import type { PhaseSettings } from './options.ts'
import { type Phase, type PhaseContext, requireOneOf } from './phase.ts'
import { annotationsOf, ensureServiceAccount } from './service-account.ts'

/** The phases of `create`, in their order; which kind of identity is made follows from `--identity-type`. */
export function createPhases({ identityType }: Pick<PhaseSettings, 'identityType'>): Phase[] {
  const identity = identityType === 'application' ? applicationPhase : managedIdentityPhase
  return [identity, serviceAccountPhase, federatedIdentityPhase, roleAssignmentPhase]
}

export const accountFlags = ['serviceAccountName', 'serviceAccountNamespace', 'serviceAccountIssuerUrl'] as const
export const identityFlags = [
  'identityType',
  'aadApplicationName',
  'aadApplicationClientId',
  'aadApplicationObjectId',
  'managedIdentityName',
  'managedIdentityResourceGroup',
] as const

const applicationPhase: Phase = {
  name: 'aad-application',
  alias: 'app',
  description: 'create the application and its service principal in Microsoft Entra ID',
  flags: ['aadApplicationName', ...accountFlags],
  missing: ({ aadApplicationName }) => requireOneOf(['--aad-application-name', aadApplicationName]),
  run: ensurePrincipal,
  commands: ({ settings: { aadApplicationName = '' } }) => [
    `[ -n "$CLIENT_ID" ] || CLIENT_ID="$(${commandLine('az', 'ad', 'app', 'create', '--display-name', aadApplicationName, '--query', 'appId', '--output', 'tsv')})"`,
    'az ad sp show --id "$CLIENT_ID" --output none 2>/dev/null || az ad sp create --id "$CLIENT_ID" --output none',
  ],
}

const managedIdentityPhase: Phase = {
  name: 'managed-identity',
  alias: 'mi',
  description: 'create the user-assigned managed identity',
  flags: ['managedIdentityName', 'managedIdentityResourceGroup', 'managedIdentityLocation', ...accountFlags],
  missing: missingManagedIdentity,
  run: ensurePrincipal,
  commands({ settings: { managedIdentityName = '', managedIdentityResourceGroup = '', managedIdentityLocation } }) {
    const location = managedIdentityLocation === undefined ? [] : ['--location', managedIdentityLocation]
    const words = ['--name', managedIdentityName, '--resource-group', managedIdentityResourceGroup, ...location]
    return [
      commandLine('az', 'identity', 'create', ...words, '--output', 'none'),
      `CLIENT_ID="$(${commandLine('az', 'identity', 'show', ...words.slice(0, 4), '--query', 'clientId', '--output', 'tsv')})"`,
    ]
  },
}

export function missingManagedIdentity(settings: PhaseSettings): string[] {
  return [
    ...requireOneOf(['--managed-identity-name', settings.managedIdentityName]),
    ...requireOneOf(['--managed-identity-resource-group', settings.managedIdentityResourceGroup]),
  ]
}

async function ensurePrincipal({ principal }: PhaseContext) {
  const identity = await principal()
  const { created } = await identity.ensure()
  return { text: `${created ? 'created' : 'found'} ${identity.title}, client ${await identity.clientId()}` }
}

const serviceAccountPhase: Phase = {
  name: 'service-account',
  alias: 'sa',
  description: 'create the service account in the cluster, or add the annotations to it',
  flags: [...accountFlags, 'serviceAccountTokenExpiration', ...identityFlags],
  missing: (settings) => [
    ...requireOneOf(['--service-account-namespace', settings.serviceAccountNamespace]),
    ...requireOneOf(['--service-account-name', settings.serviceAccountName]),
    ...missingIdentity(settings),
  ],
  async run({ settings, azure, kube, principal }) {
    const account = accountOf(settings)
    const clientId = await (await principal()).clientId()
    const tenantId = await (await azure()).tenantId()
    const { tokenExpiration } = settings
    const done = await ensureServiceAccount(kube(), account, { clientId, tenantId, tokenExpiration })
    return { text: `${done} service account ${account.namespace}/${account.name}, client ${clientId}` }
  },
  commands({ settings }) {
    const { namespace, name } = accountOf(settings)
    const where = ['serviceaccount', name, '--namespace', namespace]
    const { tokenExpiration } = settings
    const annotations = annotationsOf({ clientId: '"$CLIENT_ID"', tenantId: '"$TENANT_ID"', tokenExpiration })
    const words = Object.entries(annotations).map(([key, value]) => (value === null ? `${key}-` : `${key}=${value}`))
    return [
      `${commandLine('kubectl', 'get', ...where)} >/dev/null 2>&1 || ${commandLine('kubectl', 'create', ...where)}`,
      `${commandLine('kubectl', 'annotate', ...where, '--overwrite')} ${words.join(' ')}`,
    ]
  },
}

const federatedIdentityPhase: Phase = {
  name: 'federated-identity',
  alias: 'fi',
  description: 'let tokens of the service account sign in as the identity',
  flags: [...accountFlags, ...identityFlags],
  missing: (settings) => [...missingAccountAndIssuer(settings), ...missingIdentity(settings)],
  async run({ settings, principal }) {
    const { issuer, subject, name } = wantedCredential(settings)
    const { credentials, title } = await principal()
    const found = (await credentials.list()).find((each) => each.issuer === issuer && each.subject === subject)
    if (found !== undefined) return keepCredential(found)
    const audiences = [tokenExchangeAudience]
    const { namespace, name: account } = accountOf(settings)
    const description = `Federated Service Account for ${namespace}/${account}`
    try {
      await credentials.create({ name, issuer, subject, audiences, description })
    } catch (error) {
      if (isAzureConflict(error)) throw nameTaken(name, title, error)
      throw error
    }
    return { text: `created federated credential ${name} for ${subject}` }

    async function keepCredential(credential: FederatedCredential) {
      if (credential.audiences.includes(tokenExchangeAudience)) {
        return { text: `found federated credential ${credential.name} for ${subject}`, warning: true }
      }
      await credentials.update({ ...credential, audiences })
      return { text: `set the audience of federated credential ${credential.name} for ${subject}` }
    }
  },
  commands: ({ settings }) => [createCredentialCommand(settings)],
}

/** How to make the federated credential with az, as `create` would. */
export function createCredentialCommand(settings: PhaseSettings): string {
  const { issuer, subject, name } = wantedCredential(settings)
  if (settings.identityType === 'managed-identity') {
    const { managedIdentityName = '', managedIdentityResourceGroup = '' } = settings
    return commandLine(
      ...['az', 'identity', 'federated-credential', 'create', '--name', name, '--identity-name', managedIdentityName],
      ...['--resource-group', managedIdentityResourceGroup, '--issuer', issuer, '--subject', subject],
      ...['--audiences', tokenExchangeAudience, '--output', 'none'],
    )
  }
  const parameters = JSON.stringify({ name, issuer, subject, audiences: [tokenExchangeAudience] })
  const of = ['az', 'ad', 'app', 'federated-credential']
  const show = commandLine(...of, 'show', '--id', '"$CLIENT_ID"', '--federated-credential-id', name, '--output', 'none')
  const create = commandLine(...of, 'create', '--id', '"$CLIENT_ID"', '--parameters', parameters, '--output', 'none')
  return `${show} 2>/dev/null || ${create}`
}

const roleAssignmentPhase: Phase = {
  name: 'role-assignment',
  alias: 'ra',
  description: 'give the identity a role in Azure',
  flags: [
    'azureScope',
    'azureRole',
    'servicePrincipalName',
    'servicePrincipalObjectId',
    ...accountFlags,
    ...identityFlags,
  ],
  missing: (settings) => [
    ...requireOneOf(['--azure-scope', settings.azureScope]),
    ...requireOneOf(['--azure-role', settings.azureRole]),
    ...missingPrincipal(settings),
  ],
  async run({ settings, azure, principal, clock, signal }) {
    const { azureScope: scope = '', azureRole: roleName = '' } = settings
    const { resourceManager } = await azure()
    const roleDefinitionId = await findRoleDefinition(resourceManager, { scope, roleName })
    if (roleDefinitionId === undefined) throw unknownRole(roleName, scope)
    const assignment = { scope, roleDefinitionId, principalId: await (await principal()).principalId() }
    // A new principal takes up to half a minute to reach Resource Manager.
    const { id, created } = await retry(() => assignRole(resourceManager, assignment), {
      attempts: 7,
      initialMs: 5000,
      factor: 1,
      jitter: 0,
      clock,
      signal,
      shouldRetry: (error) => error instanceof AzureRestError && error.code === 'PrincipalNotFound',
    })
    if (!created) return { text: `"${roleName}" is given already on ${scope}\n${id}`, warning: true }
    return { text: `gave "${roleName}" on ${scope}\n${id}` }
  },
  commands({ settings: { azureScope = '', azureRole = '', servicePrincipalObjectId, ...settings } }) {
    const assign = ['az', 'role', 'assignment', 'create', '--role', azureRole, '--scope', azureScope]
    const to = ['--assignee-object-id', servicePrincipalObjectId ?? '"$PRINCIPAL_ID"']
    const lookup = servicePrincipalObjectId === undefined ? [principalIdCommand(settings)] : []
    const type = ['--assignee-principal-type', 'ServicePrincipal', '--output', 'none']
    return [...lookup, commandLine(...assign, ...to, ...type)]
  },
}

function principalIdCommand(settings: Omit<PhaseSettings, 'azureScope'>): string {
  const { identityType, managedIdentityName = '', managedIdentityResourceGroup = '', servicePrincipalName } = settings
  if (identityType === 'managed-identity') {
    const which = ['--name', managedIdentityName, '--resource-group', managedIdentityResourceGroup]
    return `PRINCIPAL_ID="$(${commandLine('az', 'identity', 'show', ...which, '--query', 'principalId', '--output', 'tsv')})"`
  }
  const show =
    servicePrincipalName === undefined
      ? commandLine('az', 'ad', 'sp', 'show', '--id', '"$CLIENT_ID"', '--query', 'id', '--output', 'tsv')
      : commandLine(
          'az',
          'ad',
          'sp',
          'list',
          '--display-name',
          servicePrincipalName,
          '--query',
          '[0].id',
          '--output',
          'tsv',
        )
  return `PRINCIPAL_ID="$(${show})"`
}

export function accountOf({ serviceAccountNamespace, serviceAccountName = '' }: PhaseSettings) {
  return { namespace: serviceAccountNamespace, name: serviceAccountName }
}

/** Issuer, subject and name of the federated credential that the settings ask for. */
export function wantedCredential(settings: PhaseSettings) {
  const account = accountOf(settings)
  const { serviceAccountIssuerUrl: issuer = '', identityType } = settings
  const nameOf = identityType === 'application' ? applicationCredentialName : managedCredentialName
  return { issuer, subject: subjectOf(account), name: nameOf(account, issuer) }
}

export function missingAccountAndIssuer(settings: PhaseSettings): string[] {
  return [
    ...requireOneOf(['--service-account-namespace', settings.serviceAccountNamespace]),
    ...requireOneOf(['--service-account-name', settings.serviceAccountName]),
    ...requireOneOf(['--service-account-issuer-url', settings.serviceAccountIssuerUrl]),
  ]
}

/** By what the identity is found. */
function missingIdentity(settings: PhaseSettings): string[] {
  if (settings.identityType === 'managed-identity') return missingManagedIdentity(settings)
  return requireOneOf(
    ['--aad-application-name', settings.aadApplicationName],
    ['--aad-application-client-id', settings.aadApplicationClientId],
    ['--aad-application-object-id', settings.aadApplicationObjectId],
  )
}

function missingPrincipal(settings: PhaseSettings): string[] {
  if (settings.identityType === 'managed-identity') return missingManagedIdentity(settings)
  // Upstream names these two; a name or an id of the application leads to its service principal as well.
  if (missingIdentity(settings).length === 0) return []
  return requireOneOf(
    ['--service-principal-name', settings.servicePrincipalName],
    ['--service-principal-object-id', settings.servicePrincipalObjectId],
  )
}

function nameTaken(name: string, title: string, cause: unknown): CliError {
  return new CliError({
    what: `The ${title} has a federated credential called ${name} already, for another issuer or subject`,
    fix: ['delete that one, or change it: az ad app federated-credential list, az identity federated-credential list'],
    cause,
  })
}

function unknownRole(roleName: string, scope: string): CliError {
  return new CliError({
    what: `There is no role called "${roleName}" for ${scope}`,
    fix: [`see them: az role definition list --scope ${scope} --query [].roleName --output tsv`],
  })
}
