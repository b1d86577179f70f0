import { commandLine } from '#terminal'
import { federatedIdentityPhase } from './federated-identity-phase.ts'
import type { PhaseSettings } from './options.ts'
import { type Phase, type PhaseContext, requireOneOf } from './phase.ts'
import { accountFlags, accountOf, identityFlags, missingIdentity, missingManagedIdentity } from './phase-identity.ts'
import { roleAssignmentPhase } from './role-assignment-phase.ts'
import { annotationsOf, ensureServiceAccount } from './service-account.ts'

/** The phases of `create`, in their order; which kind of identity is made follows from `--identity-type`. */
export function createPhases({ identityType }: Pick<PhaseSettings, 'identityType'>): Phase[] {
  const identity = identityType === 'application' ? applicationPhase : managedIdentityPhase
  return [identity, serviceAccountPhase, federatedIdentityPhase, roleAssignmentPhase]
}

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
