import { type SignIn, selectableWays } from '#azure/identity'
import { vaultAddress } from '#azure/keyvault'
import { isObjectName, objectNameForm } from '#kubernetes/client'
import { beyondLimit, errorMessage, nearestName, Problems } from '#lib'
import { parseGoBool } from '#lib/flags'
import { parseDuration } from '#lib/formats'
import { classLimits } from './class-limits.ts'
import type { ClassSpec } from './class-spec.ts'
import type { ObjectSpec, SelectSpec } from './object-spec.ts'
import {
  type ParameterRow,
  type ParameterValues,
  parameterNames,
  plainParameterRows,
  retiredParameters,
} from './parameter-table.ts'
import { misspelt } from './parse-object.ts'
import { type ParseObjects, parseObjects } from './parse-objects.ts'
import { parseTemplates } from './parse-templates.ts'

/** Parameters by their names; a driver sends what it knows of the pod among them, under names with a slash. */
export type Parameters = ReadonlyMap<string, string>

/**
 * The parameters of a class, parsed. Every problem goes to `problems`, each in the words that users of upstream search for;
 * the result is valid only without any.
 */
export function parseParameters(
  parameters: Parameters,
  problems: Problems,
  parse: ParseObjects = parseObjects,
): ClassSpec {
  const before = problems.count
  checkSize(parameters, problems)
  // A class beyond the limits is not looked into.
  if (problems.count > before) {
    const values = parseValues(new Map(), new Map(), new Problems())
    return classSpec(values, 'default', { objects: [], selects: [], templates: [] })
  }
  const corrected = withRightNames(parameters)
  const values = parseValues(parameters, corrected, problems)
  const signIn = parseSignIn(corrected, problems)
  reportMisspelt(parameters, problems)
  const objects = parse(values.objects, problems)
  // As written: without the last line end, the text of the last template would have none.
  const templates = parseTemplates(corrected.get('templates') ?? '', objects, problems)
  checkVaultNames(values.keyvaultName, [...objects.objects, ...objects.selects], problems)
  checkFallbackVault(values, problems)
  return classSpec(values, signIn, { ...objects, templates })
}

function classSpec(
  values: ParameterValues,
  signIn: SignIn,
  content: Pick<ClassSpec, 'objects' | 'selects' | 'templates'>,
): ClassSpec {
  const { clientID, tenantID, tenantId, userAssignedIdentityID } = values
  const tenant = tenantID || tenantId
  const identity = { signIn, clientId: clientID, tenantId: tenant, userAssignedIdentityId: userAssignedIdentityID }
  return { values, identity, ...content }
}

function checkSize(parameters: Parameters, problems: Problems): void {
  let count = 0
  let bytes = 0
  let longest = 0
  for (const [name, value] of ownParameters(parameters)) {
    count++
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
    longest = Math.max(longest, name.length)
  }
  const { parameters: most, nameLength } = classLimits
  if (count > most.value) problems.add('', beyondLimit(most, count))
  if (bytes > classLimits.bytes.value) problems.add('', beyondLimit(classLimits.bytes, bytes))
  if (longest > nameLength.value) problems.add('', beyondLimit(nameLength, longest))
}

/** A class's own parameters: without what a driver adds about the pod. */
function* ownParameters(parameters: Parameters): Generator<[string, string]> {
  for (const entry of parameters) if (!entry[0].startsWith('csi.storage.k8s.io/')) yield entry
}

/**
 * The parameters with the values of misspelt names under the right ones: the name is reported, and that its value is missing
 * would be a second error for the same slip.
 */
function withRightNames(parameters: Parameters): Parameters {
  const corrected = new Map(parameters)
  for (const [name, value] of parameters) {
    const near = isForeign(name) ? undefined : misspelt(name, parameterNames)
    if (near !== undefined && (parameters.get(near) ?? '').trim() === '') corrected.set(near, value)
  }
  return corrected
}

function parseValues(parameters: Parameters, corrected: Parameters, problems: Problems): ParameterValues {
  const values = plainParameterRows.map(([name, row]) => {
    const isMissing = (parameters.get(name) ?? '').trim() === ''
    if (isMissing && row.missing !== undefined) problems.add('', `${row.missing}${typoHint(parameters, name)}`)
    const text = (corrected.get(name) ?? '').trim()
    return [name, parseValue(name, row, text, problems)] as const
  })
  return Object.fromEntries(values) as ParameterValues
}

function parseValue(name: string, row: ParameterRow, text: string, problems: Problems) {
  switch (row.type) {
    case 'boolean':
      return parseFlag(name, text, problems)
    case 'duration':
      return parseSpan(name, row, text, problems)
    case 'name':
      if (text !== '' && !isObjectName(text)) problems.unexpected(name, text, objectNameForm)
      return text
    default:
      return text
  }
}

/** The way to sign in that the class selects. What selects none or two is the default; two are a problem. */
function parseSignIn(parameters: Parameters, problems: Problems): SignIn {
  const selected = selectableWays.filter(({ parameter: { name } }) =>
    parseFlag(name, (parameters.get(name) ?? '').trim(), problems),
  )
  if (selected.length > 1) {
    const names = selectableWays.map(({ parameter }) => parameter.name)
    problems.add(
      '',
      `only one identity mode can be enabled at a time: ${names.slice(0, -1).join(', ')}, or ${names.at(-1)}`,
    )
  }
  const [only, ...more] = selected
  return only === undefined || more.length > 0 ? 'default' : only.way
}

/** The words of Go's ParseBool; nothing means false. */
function parseFlag(name: string, text: string, problems: Problems): boolean {
  if (text === '') return false
  const parsed = parseGoBool(text)
  if (parsed === undefined) {
    problems.add('', `failed to parse ${name} flag, error: found "${text}", expected "true" or "false"`)
  }
  return parsed ?? false
}

function parseSpan(
  name: string,
  { zero, example }: ParameterRow,
  text: string,
  problems: Problems,
): number | undefined {
  if (text === '') return undefined
  const parsed = parseDuration(text) ?? -1
  if (parsed > 0 || (parsed === 0 && zero !== undefined)) return parsed
  const form = zero === undefined ? 'such as 30s or 5m' : `such as ${example}, or 0s for ${zero}`
  problems.add('', `${name}: found "${text}", expected a duration ${form}`)
  return undefined
}

/** ` (found "keyvaultname"; did you mean keyvaultName?)` for a required parameter that is missing. */
function typoHint(parameters: Parameters, name: string): string {
  const others = [...parameters.keys()].filter((key) => !parameterNames.includes(key) && !isForeign(key))
  const near = nearestName(name, others)
  return near === undefined ? '' : ` (found "${near}"; did you mean ${name}?)`
}

/** A name that is not a parameter of the provider and is accepted silently: one with a prefix, or of an earlier release. */
export function isForeign(name: string): boolean {
  return name.includes('/') || retiredParameters.includes(name)
}

/** Unknown parameters are ignored, except for misspelt ones: their values would be lost silently. */
function reportMisspelt(parameters: Parameters, problems: Problems): void {
  for (const key of parameters.keys()) {
    if (isForeign(key)) continue
    const near = misspelt(key, parameterNames)
    if (near === undefined || problems.list.some(({ message }) => message.includes(`"${key}"`))) continue
    problems.add('', `unknown parameter "${key}" (did you mean ${near}?)`)
  }
}

function checkVaultNames(vaultName: string, objects: readonly (ObjectSpec | SelectSpec)[], problems: Problems): void {
  // Without objects upstream does not check the vault's name either.
  if (objects.length === 0 || vaultName === '') return
  const names = new Map(objects.map((object) => [object.vaultName ?? vaultName, object]))
  for (const [name, object] of names) {
    checkVaultName(name, object.vaultName === undefined ? 'keyvaultName' : `${object.path}.vault`, problems)
  }
}

function checkFallbackVault({ keyvaultName, fallbackKeyvaultName: name }: ParameterValues, problems: Problems): void {
  if (name === '') return
  const where = 'fallbackKeyvaultName'
  if (name.toLowerCase() === keyvaultName.toLowerCase())
    problems.add('', `${where}: found "${name}", which is keyvaultName; expected another vault with the same objects`)
  checkVaultName(name, where, problems)
}

function checkVaultName(name: string, where: string, problems: Problems): void {
  try {
    vaultAddress(name, 'vault.invalid')
  } catch (error) {
    problems.add('', `failed to get vault: ${errorMessage(error)} (${where}${addressHint(name)})`)
  }
}

/** For a vault that is given by its URL or host, as the portal and az show it. */
function addressHint(text: string): string {
  const [, name] = /^(?:https?:\/\/)?([-a-z0-9]{3,24})\.[-a-z0-9.]+(?:[:/].*)?$/i.exec(text) ?? []
  return name === undefined ? '' : `; expected its name alone: ${name}`
}
