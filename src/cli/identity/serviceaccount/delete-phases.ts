import { CliError, commandLine } from '#terminal'
import type { PhaseSettings } from './options.ts'
import { type Phase, type PhaseContext, requireOneOf } from './phase.ts'
import {
  accountFlags,
  accountOf,
  identityFlags,
  missingAccountAndIssuer,
  missingManagedIdentity,
  wantedCredential,
} from './phase-identity.ts'
import { deleteServiceAccount } from './service-account.ts'

/** The phases of `delete`: what `create` does, backwards. What is gone already is only worth a warning. */
export function deletePhases({ identityType }: Pick<PhaseSettings, 'identityType'>): Phase[] {
  const identity = identityType === 'application' ? applicationPhase : managedIdentityPhase
  return [roleAssignmentPhase, federatedIdentityPhase, serviceAccountPhase, identity]
}

/** Federated credentials go with their identity, so this phase is not needed beside the one that deletes it. */
export const implied = { phase: 'federated-identity', by: ['aad-application', 'managed-identity'] } as const

const authorizationApi = { apiVersion: '2022-04-01' }

const roleAssignmentPhase: Phase = {
  name: 'role-assignment',
  alias: 'ra',
  description: 'take the role in Azure back',
  flags: ['roleAssignmentId'],
  missing: ({ roleAssignmentId }) => requireOneOf(['--role-assignment-id', roleAssignmentId]),
  async run({ settings: { roleAssignmentId: id = '' }, azure }) {
    if (!/\/providers\/Microsoft\.Authorization\/roleAssignments\/[^/]+$/i.test(id)) throw badAssignmentId(id)
    const { resourceManager } = await azure()
    return outcome(await resourceManager.delete(id, authorizationApi), `role assignment ${id}`)
  },
  commands: ({ settings: { roleAssignmentId = '' } }) => [
    commandLine('az', 'role', 'assignment', 'delete', '--ids', roleAssignmentId),
  ],
}

const federatedIdentityPhase: Phase = {
  name: 'federated-identity',
  alias: 'fi',
  description: 'no longer let tokens of the service account sign in',
  flags: [...accountFlags, ...identityFlags],
  missing: missingAccountAndIssuer,
  async run({ settings, principal }) {
    const { issuer, subject } = wantedCredential(settings)
    const { credentials } = await principal()
    const found = (await credentials.list()).find((each) => each.issuer === issuer && each.subject === subject)
    const what = `federated credential for ${subject}`
    return outcome(found !== undefined && (await credentials.delete(found)), what)
  },
  commands({ settings }) {
    const { issuer, subject } = wantedCredential(settings)
    const query = `[?issuer=='${issuer}' && subject=='${subject}'].name | [0]`
    const show = ['--query', query, '--output', 'tsv']
    if (settings.identityType === 'application') {
      const list = commandLine('az', 'ad', 'app', 'federated-credential', 'list', '--id', '"$CLIENT_ID"', ...show)
      const remove = 'az ad app federated-credential delete --id "$CLIENT_ID" --federated-credential-id="$CREDENTIAL"'
      return [`CREDENTIAL="$(${list})"`, `[ -z "$CREDENTIAL" ] || ${remove}`]
    }
    const { managedIdentityName = '', managedIdentityResourceGroup = '' } = settings
    const of = ['--identity-name', managedIdentityName, '--resource-group', managedIdentityResourceGroup]
    const list = commandLine('az', 'identity', 'federated-credential', 'list', ...of, ...show)
    const remove = commandLine(
      ...['az', 'identity', 'federated-credential', 'delete', ...of, '--name', '"$CREDENTIAL"', '--yes'],
    )
    return [`CREDENTIAL="$(${list})"`, `[ -z "$CREDENTIAL" ] || ${remove}`]
  },
}

const serviceAccountPhase: Phase = {
  name: 'service-account',
  alias: 'sa',
  description: 'delete the service account from the cluster',
  flags: ['serviceAccountName', 'serviceAccountNamespace'],
  missing: (settings) => [
    ...requireOneOf(['--service-account-namespace', settings.serviceAccountNamespace]),
    ...requireOneOf(['--service-account-name', settings.serviceAccountName]),
  ],
  async run({ settings, kube }) {
    const account = accountOf(settings)
    const what = `service account ${account.namespace}/${account.name}`
    return outcome(await deleteServiceAccount(kube(), account), what)
  },
  commands({ settings }) {
    const { namespace, name } = accountOf(settings)
    return [commandLine('kubectl', 'delete', 'serviceaccount', name, '--namespace', namespace, '--ignore-not-found')]
  },
}

const applicationPhase: Phase = {
  name: 'aad-application',
  alias: 'app',
  description: 'delete the application with its service principal and federated credentials',
  flags: ['aadApplicationName', 'aadApplicationObjectId', 'aadApplicationClientId', ...accountFlags],
  missing: (settings) =>
    requireOneOf(
      ['--aad-application-name', settings.aadApplicationName],
      ['--aad-application-object-id', settings.aadApplicationObjectId ?? settings.aadApplicationClientId],
    ),
  run: deletePrincipal,
  commands: () => ['[ -z "$CLIENT_ID" ] || az ad app delete --id "$CLIENT_ID"'],
}

const managedIdentityPhase: Phase = {
  name: 'managed-identity',
  alias: 'mi',
  description: 'delete the managed identity with its federated credentials',
  flags: ['managedIdentityName', 'managedIdentityResourceGroup', ...accountFlags],
  missing: missingManagedIdentity,
  run: deletePrincipal,
  commands: ({ settings: { managedIdentityName = '', managedIdentityResourceGroup = '' } }) => [
    commandLine(
      ...['az', 'identity', 'delete', '--name', managedIdentityName, '--resource-group', managedIdentityResourceGroup],
    ),
  ],
}

async function deletePrincipal({ principal }: PhaseContext) {
  const identity = await principal()
  return outcome(await identity.delete(), identity.title)
}

function outcome(deleted: boolean, what: string) {
  return deleted ? { text: `deleted ${what}` } : { text: `no ${what}: nothing to delete`, warning: true }
}

function badAssignmentId(id: string): CliError {
  return new CliError({
    what: '--role-assignment-id is not the id of a role assignment',
    why: `found "${id}", expected /subscriptions/…/providers/Microsoft.Authorization/roleAssignments/UUID`,
    fix: ['see them: az role assignment list --assignee CLIENT_ID --all --query [].id --output tsv'],
  })
}
