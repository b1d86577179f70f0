import type { ObjectSpec, ObjectType } from '#azure/class'
import { commandLine } from '#terminal'
import { failureText } from '../cluster/failure-text.ts'
import { type ClassSignIn, signInOf } from '../identity/doctor/check-class.ts'
import { needs } from '../identity/doctor/check-vault.ts'
import type { PodFacts } from './pod-facts.ts'
import type { Report } from './reports.ts'

/** Groups of az commands, by the words of an error. */
const groups: Readonly<Record<string, string>> = { secret: 'secret', key: 'key', cert: 'certificate' }

/** The commands that follow from a report and the class alone; with `--azure` as a closer look where that was not given. */
export function fixOfReport(report: Report, facts: PodFacts, isAzureGiven: boolean): string[] {
  const context = contextOf(report, facts)
  const exact = context === undefined ? undefined : commandOf(report, context)
  const { namespace, name } = facts.ref
  const isAboutAzure = !isAzureGiven && /^(I[4-9]|V[12])$/.test(report.step)
  const closer = isAboutAzure ? [commandLine('keymount', 'doctor', `pod/${name}`, '-n', namespace, '--azure')] : []
  return [...(exact === undefined ? [] : [exact]), ...closer, `keymount explain ${report.code}`]
}

interface ReportContext {
  signIn: ClassSignIn
  /** The object that the report names. */
  object: Pick<ObjectSpec, 'type' | 'name'> | undefined
  vaultName: string
  /** Of `nodePublishSecretRef`. */
  secretName: string | undefined
  namespace: string
}

function contextOf({ text, className }: Report, { cluster, ref }: PodFacts): ReportContext | undefined {
  const annotations = 'value' in cluster.account ? (cluster.account.value?.metadata.annotations ?? {}) : {}
  const [, type = '', name = ''] = /failed to get (\w+)\/([\w-]+)/.exec(failureText(text)) ?? []
  const candidates = cluster.classes.flatMap((mounted) => {
    const signIn = signInOf(mounted, annotations)
    return signIn === undefined ? [] : [{ mounted, signIn }]
  })
  const chosen =
    candidates.find(({ mounted }) => mounted.className === className) ??
    candidates.find(({ signIn }) => signIn.spec.objects.some((object) => object.name === name)) ??
    candidates[0]
  if (chosen === undefined) return undefined
  const { signIn, mounted } = chosen
  const spec = signIn.spec.objects.find((object) => object.name === name && object.type === type)
  return {
    signIn,
    object: spec,
    vaultName: spec?.vaultName ?? signIn.spec.values.keyvaultName,
    secretName: mounted.volume.csi?.nodePublishSecretRef?.name,
    namespace: ref.namespace,
  }
}

function commandOf({ code, text }: Report, context: ReportContext): string | undefined {
  const { object, vaultName, signIn } = context
  const az = (type: ObjectType, name: string, ...words: string[]) =>
    commandLine('az', 'keyvault', groups[type] ?? 'secret', ...words, '--vault-name', vaultName, '--name', name)
  switch (code) {
    case 'vault-object-disabled':
      return object && `${az(object.type, object.name, 'set-attributes')} --enabled true`
    case 'vault-object-deleted':
      return object && az(object.type, object.name, 'recover')
    case 'object-version-missing':
      return object && az(object.type, object.name, 'list-versions')
    case 'vault-object-missing':
      return `${commandLine('az', 'keyvault', groups[object?.type ?? 'secret'] ?? 'secret', 'list', '--vault-name', vaultName)} --query '[].name' --output tsv`
    case 'vault-forbidden':
      return grant(text, object?.type ?? 'secret', vaultName, signIn)
    case 'vault-firewall':
      return openFirewall(text, vaultName)
    case 'vault-missing':
    case 'vault-name-not-resolved':
      return commandLine('az', 'keyvault', 'show', '--name', vaultName, '--query', 'properties.vaultUri')
    case 'entra-client-secret-wrong':
    case 'entra-client-secret-expired':
      return renewSecret(context)
    default:
      return undefined
  }
}

function grant(text: string, type: ObjectType, vaultName: string, { clientId }: ClassSignIn): string | undefined {
  if (clientId === undefined) return undefined
  const { role, flag } = needs[type]
  if (/ForbiddenByPolicy/.test(text)) {
    return commandLine('az', 'keyvault', 'set-policy', '--name', vaultName, '--spn', clientId, flag, 'get')
  }
  const scope = `"$(${commandLine('az', 'keyvault', 'show', '--name', vaultName, '--query', 'id', '--output', 'tsv')})"`
  return `${commandLine('az', 'role', 'assignment', 'create', '--role', role, '--assignee', clientId)} --scope ${scope}`
}

/** The vault names the address that it refused. */
function openFirewall(text: string, vaultName: string): string | undefined {
  const [, address] = /Client address: ([0-9a-f.:]+)/i.exec(text) ?? []
  return address === undefined
    ? commandLine('az', 'keyvault', 'network-rule', 'list', '--name', vaultName)
    : commandLine('az', 'keyvault', 'network-rule', 'add', '--name', vaultName, '--ip-address', address)
}

/** A new client secret goes from Azure into the Secret without being printed. */
function renewSecret({ signIn, secretName, namespace }: ReportContext): string | undefined {
  if (secretName === undefined) return undefined
  const { clientId } = signIn.spec.identity
  const read = `kubectl get secret ${secretName} --namespace ${namespace} --output jsonpath='{.data.clientid}' | base64 -d`
  const id = clientId === '' ? `"$(${read})"` : clientId
  const reset = `az ad app credential reset --id ${id} --append --query password --output tsv`
  const values = `--from-literal=clientid=${id} --from-literal=clientsecret="$(${reset})"`
  return `kubectl create secret generic ${secretName} --namespace ${namespace} ${values} --dry-run=client --output yaml | kubectl apply --filename -`
}
