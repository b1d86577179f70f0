import { findCloud, isStackCloud, modeConflict } from '#azure/identity'
import { parseFileOwner } from '#kubernetes/volume-files'
import type { Problem } from '#lib'
import { parseDuration, recordOf } from '#lib/formats'
import { checkSecretObjects } from './check-secret-objects.ts'
import type { ClassIdentity, ClassSpec } from './class-spec.ts'
import type { Finding } from './finding.ts'
import { isExpectedStranger, parameterNames, parseParameters } from './parse-parameters.ts'
import { invalidTenant, isTenant } from './tenant.ts'
import { unknownCloud } from './unknown-cloud.ts'

/**
 * Everything about a SecretProviderClass that can be told without a pod and without a vault. What the provider would refuse
 * is found by the provider's own parser. A class of another provider is only looked at where drivers act on it.
 */
export function checkClass(object: unknown): Finding[] {
  const findings: Finding[] = []
  const spec = recordAt(recordOf(object)?.['spec'], 'spec', findings)
  const provider = textAt(spec['provider'], 'spec.provider', findings)
  if (provider === '') fails(findings, 'spec.provider', 'missing: it names the provider, for example azure')
  const parameters = parametersAt(spec['parameters'], findings)
  const ours = provider === 'azure'
  if (!ours && provider.trim().toLowerCase() === 'azure')
    fails(findings, 'spec.provider', `found "${provider}"; did you mean azure?`)
  const wish = ours && parameters.size > 0 ? checkParameters(parameters, findings) : undefined
  checkSecretObjects(spec['secretObjects'], wish?.objects, findings)
  return findings
}

/** The wish, where its objects are as they should be; otherwise their files are not known. */
function checkParameters(parameters: Map<string, string>, findings: Finding[]): ClassSpec | undefined {
  const problems: Problem[] = []
  checkDriverParameters(parameters, problems)
  const wish = parseParameters(parameters, problems)
  const complete = problems.length === 0
  if (complete && wish.objects.length === 0)
    problems.push({ path: 'objects', message: 'has no entry: a volume needs at least one object' })
  const { cloudName } = wish
  if (findCloud(cloudName) === undefined && !isStackCloud(cloudName))
    problems.push({ path: '', message: unknownCloud(cloudName) })
  checkIdentity(wish.identity, problems, findings)
  findings.push(...problems.map((problem) => ({ ...problem, path: within(problem.path), fails: 'mount' as const })))
  remarkUnknown(parameters, findings)
  return complete ? wish : undefined
}

/** Those that the driver reads and no provider sees. A tick shorter than a second would only heat the vault. */
function checkDriverParameters(parameters: Map<string, string>, problems: Problem[]): void {
  const owner = parameters.get('fileOwner') ?? ''
  parameters.delete('fileOwner')
  if (parseFileOwner(owner) === undefined)
    problems.push({ path: 'fileOwner', message: `found "${owner}", expected "<user id>" or "<user id>:<group id>"` })
  const interval = parameters.get('syncInterval') ?? ''
  const intervalMs = parseDuration(interval)
  if (intervalMs !== undefined && intervalMs > 0 && intervalMs < 1000)
    problems.push({ path: 'syncInterval', message: `found "${interval}", expected a duration of 1s or more` })
}

function checkIdentity(identity: ClassIdentity, problems: Problem[], findings: Finding[]): void {
  const conflict = modeConflict(identity)
  if (conflict !== undefined) problems.push(conflict)
  const { tenantId, userAssignedIdentityId, useVMManagedIdentity } = identity
  if (tenantId === '') {
    remark(
      findings,
      'tenantID',
      'missing: pods can only mount the class if their service account has the annotation azure.workload.identity/tenant-id, or the provider a --default-tenant',
    )
  } else if (!isTenant(tenantId)) problems.push(invalidTenant(tenantId))
  if (userAssignedIdentityId !== '' && !useVMManagedIdentity && conflict === undefined)
    remark(findings, 'userAssignedIdentityID', 'has no effect without useVMManagedIdentity: "true"')
}

/** Those that resemble a known one are problems; the others may belong to somebody else, or to an old release. */
function remarkUnknown(parameters: ReadonlyMap<string, string>, findings: Finding[]): void {
  const known: readonly string[] = parameterNames
  for (const name of parameters.keys()) {
    if (known.includes(name) || isExpectedStranger(name)) continue
    if (findings.some(({ message }) => message.includes(`"${name}"`))) continue
    remark(findings, name, 'is no parameter of this provider, and has no effect')
  }
}

function parametersAt(value: unknown, findings: Finding[]): Map<string, string> {
  const path = 'spec.parameters'
  const found = recordAt(value, path, findings)
  const parameters = new Map(
    Object.entries(found).map(([name, text]) => [name, textAt(text, `${path}.${name}`, findings)]),
  )
  if (parameters.size === 0) fails(findings, path, 'missing: it tells the provider what to read')
  return parameters
}

function recordAt(value: unknown, path: string, findings: Finding[]): Record<string, unknown> {
  const record = recordOf(value ?? {})
  if (record === undefined) fails(findings, path, `found ${typeName(value)}, expected fields`)
  return record ?? {}
}

function textAt(value: unknown, path: string, findings: Finding[]): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  const quote = typeof value === 'object' ? '' : `: put quotes around ${String(value)}`
  fails(findings, path, `found a ${typeName(value)}, expected a text${quote}`)
  return ''
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'list' : typeof value
}

function within(path: string): string {
  return path === '' ? 'spec.parameters' : `spec.parameters.${path}`
}

function fails(findings: Finding[], path: string, message: string): void {
  findings.push({ path, message, fails: 'mount' })
}

function remark(findings: Finding[], parameter: string, message: string): void {
  findings.push({ path: within(parameter), message, fails: undefined })
}
