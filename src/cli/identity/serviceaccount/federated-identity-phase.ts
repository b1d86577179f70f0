import { tokenExchangeAudience } from '#azure/identity'
import { isAzureConflict } from '#azure/rest'
import { CliError, commandLine } from '#terminal'
import type { FederatedCredential } from '../federated-credential.ts'
import type { PhaseSettings } from './options.ts'
import type { Phase } from './phase.ts'
import {
  accountFlags,
  accountOf,
  identityFlags,
  missingAccountAndIssuer,
  missingIdentity,
  wantedCredential,
} from './phase-identity.ts'

/** Entra then takes the tokens of the service account for those of the identity. */
export const federatedIdentityPhase: Phase = {
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
      // A managed identity's credential of the same name would have been replaced.
      if (isAzureConflict(error) && settings.identityType === 'application') throw nameTaken(name, title, error)
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
function createCredentialCommand(settings: PhaseSettings): string {
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
  // One word: of 64 names one begins with a hyphen, which az takes for an option.
  const credential = `--federated-credential-id=${name}`
  const show = commandLine(...of, 'show', '--id', '"$CLIENT_ID"', credential, '--output', 'none')
  const create = commandLine(...of, 'create', '--id', '"$CLIENT_ID"', '--parameters', parameters, '--output', 'none')
  return `${show} 2>/dev/null || ${create}`
}

function nameTaken(name: string, title: string, cause: unknown): CliError {
  return new CliError({
    what: `The ${title} has a federated credential called ${name} already, for another issuer or subject`,
    fix: ['see them, and delete or change that one: az ad app federated-credential list --id CLIENT_ID'],
    cause,
  })
}
