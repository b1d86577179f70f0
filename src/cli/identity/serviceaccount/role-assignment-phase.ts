import { AzureRestError, assignRole, findRoleDefinition } from '#azure/rest'
import { retry } from '#lib/async'
import { CliError, commandLine } from '#terminal'
import type { PhaseSettings } from './options.ts'
import { type Phase, requireOneOf } from './phase.ts'
import { accountFlags, identityFlags, missingPrincipal } from './phase-identity.ts'

/** What the identity may do in Azure. */
export const roleAssignmentPhase: Phase = {
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

function unknownRole(roleName: string, scope: string): CliError {
  return new CliError({
    what: `There is no role called "${roleName}" for ${scope}`,
    fix: [`see them: az role definition list --scope ${scope} --query [].roleName --output tsv`],
  })
}
