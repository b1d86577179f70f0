import { vaultAddress } from '#azure/keyvault'
import { formatProblem, nearestName, type Problem } from '#lib'
import { parseGoBool } from '#lib/flags'
import { parseDuration } from '#lib/formats'
import type { ClassSpec } from './class-spec.ts'
import { collidingPaths } from './file-name.ts'
import type { ObjectSpec } from './object-spec.ts'
import { misspelt, parseObject } from './parse-object.ts'
import { type ParseObjects, parseObjects } from './parse-objects.ts'

/** What a class may say, in the field's spelling. */
export const parameterNames = [
  'keyvaultName',
  'tenantID',
  'tenantId',
  'cloudName',
  'cloudEnvFileName',
  'usePodIdentity',
  'useVMManagedIdentity',
  'useAzureTokenProxy',
  'userAssignedIdentityID',
  'clientID',
  'objects',
  'useEmulator',
  'syncInterval',
] as const

type ParameterName = (typeof parameterNames)[number]

/** Parameters that classes of the field carry from old releases; they never had an effect in this generation. */
const leftovers = new Set([
  'resourceGroup',
  'resourcegroup',
  'subscriptionId',
  'subscriptionid',
  'secretProviderClass',
  'providerName',
])

/** Parameters by their names; a driver sends what it knows of the pod among them, under names with a slash. */
export type Parameters = ReadonlyMap<string, string>

/**
 * The parameters of a class as one typed wish. Every problem goes to `problems`, each in the words that people of the field
 * search for; the wish is only good when there is none.
 */
export function parseParameters(
  parameters: Parameters,
  problems: Problem[],
  parse: ParseObjects = parseObjects,
): ClassSpec {
  const text = (name: ParameterName): string => (parameters.get(name) ?? '').trim()
  const wrong = (message: string) => problems.push({ path: '', message })
  const required = (name: ParameterName, words: string): string => {
    const value = text(name)
    if (value === '') wrong(`${words}${typoHint(parameters, name)}`)
    return value
  }

  const flags = {
    usePodIdentity: parseFlag('usePodIdentity', text('usePodIdentity'), problems),
    useVMManagedIdentity: parseFlag('useVMManagedIdentity', text('useVMManagedIdentity'), problems),
    useAzureTokenProxy: parseFlag('useAzureTokenProxy', text('useAzureTokenProxy'), problems),
  }
  const useEmulator = parseFlag('useEmulator', text('useEmulator'), problems)
  const vaultName = required('keyvaultName', 'keyvaultName is not provided')
  const objectsText = required('objects', 'objects is not set')
  const syncInterval = text('syncInterval')
  if (syncInterval !== '' && !((parseDuration(syncInterval) ?? 0) > 0)) {
    wrong(`syncInterval: found "${syncInterval}", expected a duration such as 30s or 5m`)
  }
  reportMisspelt(parameters, problems)

  const objects = parse(objectsText, problems).flatMap((raw) => parseObject(raw, problems) ?? [])
  checkVaultNames(vaultName, objects, problems)
  checkPaths(objects, problems)

  return {
    vaultName,
    cloudName: text('cloudName'),
    cloudFile: text('cloudEnvFileName'),
    useEmulator,
    identity: {
      ...flags,
      clientId: text('clientID'),
      tenantId: text('tenantID') || text('tenantId'),
      userAssignedIdentityId: text('userAssignedIdentityID'),
    },
    objects,
  }
}

/** Go's ParseBool; nothing means false. */
function parseFlag(name: ParameterName, value: string, problems: Problem[]): boolean {
  if (value === '') return false
  const parsed = parseGoBool(value)
  if (parsed === undefined) {
    const words = `failed to parse ${name} flag, error: strconv.ParseBool: parsing "${value}": invalid syntax`
    problems.push({ path: '', message: `${words} (found "${value}", expected "true" or "false")` })
  }
  return parsed ?? false
}

/** ` (found "keyvaultname"; did you mean keyvaultName?)` for a required parameter that is missing. */
function typoHint(parameters: Parameters, name: ParameterName): string {
  const known: readonly string[] = parameterNames
  const strangers = [...parameters.keys()].filter((key) => !known.includes(key) && !key.includes('/'))
  const near = nearestName(name, strangers)
  return near === undefined ? '' : ` (found "${near}"; did you mean ${name}?)`
}

/** A name that is no parameter and needs no word: a driver's, or one of old releases. */
export function isExpectedStranger(name: string): boolean {
  return name.includes('/') || leftovers.has(name)
}

/** Unknown parameters are nobody's business, unless they are a slip of the pen: then they would be lost without a word. */
function reportMisspelt(parameters: Parameters, problems: Problem[]): void {
  for (const key of parameters.keys()) {
    if (isExpectedStranger(key)) continue
    const near = misspelt(key, parameterNames)
    if (near === undefined || problems.some((problem) => formatProblem(problem).includes(`"${key}"`))) continue
    problems.push({ path: '', message: `unknown parameter "${key}" (did you mean ${near}?)` })
  }
}

function checkVaultNames(vaultName: string, objects: readonly ObjectSpec[], problems: Problem[]): void {
  // With no objects the field does not look at the vault's name either.
  if (objects.length === 0 || vaultName === '') return
  const names = new Map(objects.map((object) => [object.vaultName ?? vaultName, object]))
  for (const [name, object] of names) {
    try {
      vaultAddress(name, 'vault.invalid')
    } catch (error) {
      const where = object.vaultName === undefined ? 'keyvaultName' : `${object.path}.vault`
      problems.push({ path: '', message: `failed to get vault: ${(error as Error).message} (${where})` })
    }
  }
}

/** Two objects in one file would be decided by chance: the driver keeps the last. */
function checkPaths(objects: readonly ObjectSpec[], problems: Problem[]): void {
  const files = objects.flatMap((object) =>
    object.extracts.length > 0
      ? object.extracts.map(({ fileName }) => ({ fileName, object }))
      : [{ fileName: object.history > 1 ? `${object.fileName}/0` : object.fileName, object }],
  )
  // The very same object listed twice gives the very same file: harmless, and classes of the field have it.
  const distinct = new Map(
    files.map(({ fileName, object }) => [JSON.stringify([fileName, { ...object, path: '' }]), fileName]),
  )
  const collision = collidingPaths([...distinct.values()])
  if (collision === undefined) return
  const { path, other } = collision
  const text =
    path === other
      ? `two objects are written to the same file "${path}"`
      : `"${other}" is a file and also the folder of "${path}"`
  problems.push({ path: 'objects', message: `${text}; give one of them another objectAlias` })
}
