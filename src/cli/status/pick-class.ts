import { type ClassSpec, checkClass, formatFinding, parseParameters, vaultObjects } from '#azure/class'
import { lint } from '#azure/lint'
import { classAnnotations, type SecretProviderClass } from '#kubernetes/client'
import { Problems } from '#lib'
import { recordOf, stringOf } from '#lib/formats'
import { fixOfClass } from '../cluster/class-commands.ts'
import { classFinding } from '../identity/doctor/check-class.ts'
import { cleanCommands, cleanName, cleanText } from './clean-text.ts'
import type { ClassFacts } from './cluster-objects.ts'
import { named } from './pick-mount.ts'
import type { ClassProblem } from './rows.ts'
import { statusLimits } from './status-limits.ts'

const most = statusLimits.objects.value

/** Ids of the objects of a volume begin with the type, those of a vault's address with the collection. */
const typeOf: Readonly<Record<string, string>> = { secrets: 'secret', keys: 'key', certificates: 'cert' }

/** A class as the provider reads it. {@link judgeClass} finds out what is wrong with it, which takes milliseconds for each. */
export function pickClass(object: SecretProviderClass): ClassFacts {
  const { namespace, name, uid, creationTimestamp: created } = named(object.metadata)
  const provider = cleanName(object.spec?.provider)
  const parameters = parametersOf(object)
  const spec = provider === 'azure' ? parseParameters(parameters, new Problems()) : undefined
  const wanted = spec === undefined ? [] : vaultObjects(parameters).slice(0, most)
  const account = stringOf(object.metadata.annotations?.[classAnnotations.syncServiceAccount])
  return {
    namespace,
    class: name,
    uid,
    created,
    provider,
    vaults: [...new Set(wanted.map(({ vaultHost }) => vaultName(vaultHost)))],
    vaultOf: new Map(
      wanted.map(({ vaultHost, collection, name: of }) => [`${typeOf[collection]}/${of}`, vaultName(vaultHost)]),
    ),
    defaultVault: cleanName(spec?.values.keyvaultName),
    identity: identityOf(spec),
    interval: cleanName(parameters.get('syncInterval')) || null,
    isPinned: spec?.objects.some(({ version }) => version !== '') ?? false,
    secrets: secretsOf(object),
    syncAccount: account === undefined ? undefined : cleanName(account),
    problems: [],
    failures: [],
    unjudged: object,
  }
}

/** Looks for what is wrong with a class, by the rules of `keymount lint` and of the doctor, once. */
export function judgeClass(facts: ClassFacts): void {
  const object = facts.unjudged
  if (object === undefined) return
  facts.unjudged = undefined
  facts.problems = problemsOf(object)
  facts.failures = failuresOf(object)
}

function parametersOf({ spec }: SecretProviderClass): Map<string, string> {
  const entries = Object.entries(recordOf(spec?.parameters) ?? {})
  return new Map(entries.flatMap(([key, value]) => (typeof value === 'string' ? [[key, value] as const] : [])))
}

function vaultName(host: string): string {
  return cleanName(host.split('.', 1)[0])
}

/** How the class signs in, and as whom; a service account may still name the client. */
function identityOf(spec: ClassSpec | undefined): string {
  if (spec === undefined) return ''
  const { signIn, clientId, userAssignedIdentityId } = spec.identity
  if (signIn === 'default') return `workload ${clientId === '' ? '(service account)' : cleanName(clientId)}`
  return [signIn, cleanName(userAssignedIdentityId || clientId)].filter((word) => word !== '').join(' ')
}

function secretsOf({ spec }: SecretProviderClass): ClassFacts['secrets'] {
  const list: readonly unknown[] = Array.isArray(spec?.secretObjects) ? spec.secretObjects : []
  return list.slice(0, most).flatMap((each) => {
    const { secretName, type, data } = recordOf(each) ?? {}
    const keys = (Array.isArray(data) ? data : []).slice(0, most).map((entry) => cleanName(recordOf(entry)?.key))
    return [{ name: cleanName(secretName), type: cleanName(type) || 'Opaque', keys }]
  })
}

/** Rules about the version are about pods, which are not looked at here. */
const kubernetes = { major: 1, minor: 34 }

function problemsOf(object: SecretProviderClass): ClassProblem[] {
  const { metadata, spec, apiVersion, kind } = object
  const { namespace, name, annotations } = metadata
  const text = JSON.stringify({ apiVersion, kind, metadata: { namespace, name, annotations }, spec })
  const { findings } = lint([{ name: 'class', text }], { kubernetes })
  return findings.slice(0, statusLimits.affected.value).map(({ id, severity, message, right }) => ({
    code: id,
    severity,
    text: cleanText(right === '' ? message : `${message}; ${right}`),
  }))
}

function failuresOf(object: SecretProviderClass): ClassFacts['failures'] {
  return checkClass(object)
    .filter(({ fails }) => fails !== undefined)
    .slice(0, statusLimits.affected.value)
    .map((finding) => ({
      code: classFinding(finding, object).code ?? 'parameters-invalid',
      text: cleanText(formatFinding(finding)),
      fix: cleanCommands([fixOfClass(finding, object)]),
    }))
}
