import type { ObjectType } from '#azure/class'
import type { SecretProviderClass } from '#kubernetes/client'
import { commandLine } from '#terminal'
import { patchObjects } from '../../cluster/class-commands.ts'
import type { ObjectFacts, ObjectVersion } from '../azure-facts.ts'
import { fail, fine, notKnown, type Observation, warn } from '../step.ts'

/** Groups of az commands. */
const groups: Readonly<Record<ObjectType, string>> = { secret: 'secret', key: 'key', cert: 'certificate' }

/** V2: whether each object can be read, by its metadata. */
export function judgeObjects(
  objects: readonly ObjectFacts[],
  classes: ReadonlyMap<string, SecretProviderClass>,
  nowMs: number,
): Observation[] {
  const observations = objects.flatMap((facts) => judgeObject(facts, classes.get(facts.className), nowMs))
  const known = objects.filter(({ versions }) => 'value' in versions).length
  return known === 0 ? observations : [...observations, fine(`${known} of ${objects.length} looked up`)]
}

function judgeObject(facts: ObjectFacts, object: SecretProviderClass | undefined, nowMs: number): Observation[] {
  const { versions, vaultName, isDeleted, object: wanted } = facts
  const label = `${wanted.type} ${wanted.name} of ${vaultName}`
  if ('why' in versions) return [notKnown(`could not be checked: ${label}: ${versions.why}`)]
  const az = (...words: string[]) =>
    commandLine('az', 'keyvault', groups[wanted.type], ...words, '--vault-name', vaultName, '--name', wanted.name)
  if (versions.value.length === 0) {
    if (isDeleted) return [fail('vault-object-deleted', `${label} was deleted and can be recovered`, [az('recover')])]
    return [missing(facts, object, label)]
  }
  const read = versionOf(versions.value, wanted.version)
  if (read === undefined) return [noVersion(facts, object, label, az('list-versions'))]
  if (wanted.version === '' && isAmbiguous(versions.value, read)) {
    return [notKnown(`${label}: two versions are of the same second, and one of them is disabled`)]
  }
  const { enabled, nbf = 0, exp } = read.attributes ?? {}
  if (enabled === false) {
    return [fail('vault-object-disabled', `${label} is disabled`, [`${az('set-attributes')} --enabled true`])]
  }
  if (nbf * 1000 > nowMs) {
    return [warn('vault-object-expired', `${label} is not valid before ${new Date(nbf * 1000).toISOString()}`)]
  }
  if (exp !== undefined && exp * 1000 < nowMs) {
    return [warn('vault-object-expired', `${label} expired at ${new Date(exp * 1000).toISOString()}`)]
  }
  return []
}

function missing(
  { near, vaultName, object: { type, name, optional } }: ObjectFacts,
  object: SecretProviderClass | undefined,
  label: string,
): Observation {
  if (optional) return fine(`${label} does not exist, and is optional`)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  const patch = near === undefined || object === undefined ? undefined : patchObjects(object, name, near)
  const list = commandLine('az', 'keyvault', groups[type], 'list', '--vault-name', vaultName, '--query', '[].name')
  return fail('vault-object-missing', `${label} does not exist${hint}`, [patch ?? `${list} --output tsv`])
}

function noVersion(
  { versions, object: { version } }: ObjectFacts,
  object: SecretProviderClass | undefined,
  label: string,
  list: string,
): Observation {
  const newest = 'value' in versions ? newestOf(versions.value) : undefined
  const patch = object === undefined || newest === undefined ? undefined : patchObjects(object, version, nameOf(newest))
  const fix = patch === undefined ? [list] : [patch, list]
  return fail('object-version-missing', `${label} has no version ${version}; the first command names the newest`, fix)
}

function versionOf(versions: readonly ObjectVersion[], wanted: string): ObjectVersion | undefined {
  return wanted === '' ? newestOf(versions) : versions.find((version) => nameOf(version) === wanted)
}

/** Times have whole seconds: of versions of the same second, metadata does not show which is read. */
function isAmbiguous(versions: readonly ObjectVersion[], newest: ObjectVersion): boolean {
  const same = versions.filter(({ attributes }) => attributes?.created === newest.attributes?.created)
  return new Set(same.map(({ attributes }) => attributes?.enabled)).size > 1
}

function newestOf(versions: readonly ObjectVersion[]): ObjectVersion | undefined {
  return versions.toSorted((a, b) => (a.attributes?.created ?? 0) - (b.attributes?.created ?? 0)).at(-1)
}

function nameOf(version: ObjectVersion & { kid?: string }): string {
  return (version.id ?? version.kid ?? '').split('/').at(-1) ?? ''
}
