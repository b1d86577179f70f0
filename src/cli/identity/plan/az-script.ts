import { commandLine } from '#terminal'
import { azFederation, azRole } from '../../azure-code/identity-resources.ts'
import { needs } from '../doctor/check-vault.ts'
import type { FleetCluster, Grant, IdentityPlan, ManifestChange, Part } from './identity-plan.ts'
import { changePatch, permissionManifests } from './manifests.ts'

/**
 * The plan as a script of az and kubectl for bash. You can run it again; existing objects are kept. Every name is quoted for the shell, and
 * none of them is in a comment.
 */
export function azScript(plans: readonly IdentityPlan[], fleet: readonly FleetCluster[]): string {
  const contextOf = new Map(fleet.map(({ name, context }) => [name, context]))
  const kubectl = (cluster: string) => {
    const context = contextOf.get(cluster)
    return context === undefined ? ['kubectl'] : ['kubectl', '--context', context]
  }
  return `${[head, functions, ...plans.map((plan) => identityLines(plan, kubectl).join('\n'))].join('\n\n')}\n`
}

const head = `#!/usr/bin/env bash
# Made by keymount identity plan, for bash with az (signed in) and kubectl. You can run it again; existing objects are kept.
set -euo pipefail`

const functions = `# The identity with a client id: its name, group, location, object id, and the credentials that it has.
identity() { # CLIENT
  app='' identity=$(az identity list --query "[?clientId=='$1'].id | [0]" --output tsv)
  if [ -n "$identity" ]; then
    show_identity
  else
    client=$1 app=$(az ad app show --id "$1" --query id --output tsv)
    principal=$(az ad sp show --id "$1" --query id --output tsv)
    known=$(az ad app federated-credential list --id "$app" --query "[].join(' ', [issuer, subject])" --output tsv)
  fi
}
show_identity() {
  facts=$(az identity show --ids "$identity" --query "join(' ', [name, resourceGroup, location, principalId, clientId])" --output tsv)
  read -r name group location principal client <<<"$facts"
  known=$(az identity federated-credential list --identity-name "$name" --resource-group "$group" --query "[].join(' ', [issuer, subject])" --output tsv)
}
# Another identity, beside the one before.
new_identity() { # NAME
  az identity create --name "$1" --resource-group "$group" --location "$location" --output none
  identity=$(az identity show --name "$1" --resource-group "$group" --query id --output tsv)
  show_identity
}
credential() { # NAME ISSUER SUBJECT
  if grep -qxF -- "$2 $3" <<<"$known"; then return; fi
  if [ -z "$app" ]; then
    ${azFederation({ name: '"$1"', identity: '"$name"', group: '"$group"', issuer: '"$2"', subject: '"$3"' })}
  else
    az ad app federated-credential create --id "$app" --parameters "{\\"name\\":\\"$1\\",\\"issuer\\":\\"$2\\",\\"subject\\":\\"$3\\",\\"audiences\\":[\\"api://AzureADTokenExchange\\"]}" --output none
  fi
}
vault() { # NAME
  facts=$(az keyvault show --name "$1" --query "join(' ', [name, id, to_string(properties.enableRbacAuthorization)])" --output tsv)
  read -r vault_name vault rbac <<<"$facts"
}
# A role, or in a vault with access policies the permissions.
grant() { # ROLE OBJECT FLAG PERMISSION...
  if [ "$rbac" = true ]; then
    ${azRole('"$1"', { principal: '"$principal"', scope: '"$vault$2"' })}
  else
    az keyvault set-policy --name "$vault_name" --object-id "$principal" "\${@:3}" --output none
  fi
}
bind() { # NAME SUBSCRIPTION GROUP CLUSTER
  if az aks identity-binding show --subscription "$2" --resource-group "$3" --cluster-name "$4" --name "$1" --output none 2>/dev/null; then return; fi
  az aks identity-binding create --subscription "$2" --resource-group "$3" --cluster-name "$4" --name "$1" --managed-identity-resource-id "$identity" --output none
}`

type Kubectl = (cluster: string) => string[]

function identityLines(plan: IdentityPlan, kubectl: Kubectl): string[] {
  const { clientId, parts, bindings, changes } = plan
  const lines = parts.flatMap((part, index) => partLines(part, index, clientId))
  const manifests = permissionManifests(plan)
  return [
    ...lines,
    ...bindings
      .filter(({ there }) => there !== true)
      .map(({ name, aks }) => commandLine('bind', name, ...aksWords(aks))),
    ...[...manifests].flatMap(([cluster, objects]) => [
      `${commandLine(...kubectl(cluster), 'apply', '--filename', '-')} <<'END'`,
      ...objects
        .map((object) => JSON.stringify(object))
        .join('\n---\n')
        .split('\n'),
      'END',
    ]),
    ...changes.map((change) => changeLine(change, clientId, kubectl)),
  ]
}

function partLines({ newName, credentials, grants }: Part, index: number, clientId: string): string[] {
  const missing = credentials.filter(({ there }) => there !== true)
  const byVault = Map.groupBy(
    grants.filter(({ there }) => there !== true),
    ({ vault }) => vault,
  )
  return [
    ...(newName === undefined
      ? [commandLine('identity', clientId)]
      : [commandLine('new_identity', newName), `client_${index + 1}=$client`]),
    ...missing.map(({ name, issuer, subject }) => commandLine('credential', name, issuer, subject)),
    ...[...byVault].flatMap(([vault, ofVault]) => [commandLine('vault', vault), ...ofVault.map(grantLine)]),
  ]
}

function grantLine({ type, object, lists }: Grant): string {
  const { role, flag, policy } = needs[type]
  return commandLine(
    'grant',
    role,
    object === '' ? '' : `/${policy}/${object}`,
    flag,
    'get',
    ...(lists ? ['list'] : []),
  )
}

/** Subscription, group and name of a cluster. */
export function aksWords(aks: string): [subscription: string, group: string, name: string] {
  const [, , subscription = '', , group = '', , , , name = ''] = aks.split('/')
  return [subscription, group, name]
}

function changeLine(change: ManifestChange, clientId: string, kubectl: Kubectl): string {
  const { cluster, namespace, name } = change
  const start = [...kubectl(cluster), 'patch', resourceOf(change), name, '--namespace', namespace]
  const words = [...start, '--type', 'merge', '--patch']
  const part = 'part' in change ? change.part : 0
  if (part === 0) return commandLine(...words, JSON.stringify(changePatch(change, clientId)))
  // The client id is known when the script runs; nothing else in the patch is more than letters and digits.
  const patch = JSON.stringify(changePatch(change, `$client_${part + 1}`))
  return `${commandLine(...words)} "${patch.replaceAll('"', '\\"')}"`
}

function resourceOf(change: ManifestChange): string {
  if (change.kind === 'account-client') return 'serviceaccount'
  if (change.kind !== 'workload-through-proxy') return 'secretproviderclass'
  const { apiVersion, kind } = change.workload
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  return group === '' ? kind.toLowerCase() : `${kind.toLowerCase()}.${version}.${group}`
}
