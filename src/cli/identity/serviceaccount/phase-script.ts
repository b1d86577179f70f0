import { commandLine } from '#terminal'
import type { Phase, ScriptContext } from './phase.ts'

/**
 * A shell script of az and kubectl commands that does what the phases do, and like them can be run again. Building it sends
 * no request to Azure: the script looks up IDs when it runs.
 */
export function phaseScript(phases: readonly Phase[], context: ScriptContext): string {
  const bodies = phases.map((phase) => [`# ${phase.name}: ${phase.description}`, ...phase.commands(context)].join('\n'))
  const uses = (name: string) => bodies.some((body) => body.includes(`$${name}`))
  const lookups = [
    ...(uses('TENANT_ID') ? [tenantLookup(context)] : []),
    ...(uses('CLIENT_ID') ? clientLookup(phases, context) : []),
  ]
  const sections = lookups.length === 0 ? bodies : [`# what is there already\n${lookups.join('\n')}`, ...bodies]
  return ['set -e', ...sections].join('\n\n')
}

function tenantLookup({ tenantId, settings: _ }: ScriptContext): string {
  const asked = `"$(${commandLine('az', 'account', 'show', '--query', 'tenantId', '--output', 'tsv')})"`
  return `TENANT_ID=${tenantId ?? asked}`
}

/** The phase that makes a managed identity looks it up itself. */
function clientLookup(phases: readonly Phase[], { settings }: ScriptContext): string[] {
  const { identityType, aadApplicationClientId, aadApplicationObjectId, aadApplicationName = '' } = settings
  if (identityType === 'managed-identity') {
    if (phases.some(({ name }) => name === 'managed-identity')) return []
    const { managedIdentityName = '', managedIdentityResourceGroup = '' } = settings
    const which = ['--name', managedIdentityName, '--resource-group', managedIdentityResourceGroup]
    return [assign(commandLine('az', 'identity', 'show', ...which, '--query', 'clientId', '--output', 'tsv'))]
  }
  if (aadApplicationClientId !== undefined) return [`CLIENT_ID=${aadApplicationClientId}`]
  if (aadApplicationObjectId !== undefined) {
    return [
      assign(
        commandLine('az', 'ad', 'app', 'show', '--id', aadApplicationObjectId, '--query', 'appId', '--output', 'tsv'),
      ),
    ]
  }
  // az lists what begins with the name. JMESPath: a quote inside of a text is escaped.
  const query = `[?displayName=='${aadApplicationName.replaceAll("'", "\\'")}'].appId | [0]`
  const list = ['az', 'ad', 'app', 'list', '--display-name', aadApplicationName, '--query', query, '--output', 'tsv']
  return [assign(commandLine(...list))]
}

function assign(command: string): string {
  return `CLIENT_ID="$(${command})"`
}
