import { type ClassIdentity, findCloud, isStackCloud } from '#azure/identity'
import { fallbackSecretKey, parseSyncInterval, syncIntervalForm } from '#kubernetes/client'
import { parseFileOwner } from '#kubernetes/volume-files'
import { Problems } from '#lib'
import { recordOf } from '#lib/formats'
import { checkSecretObjects } from './check-secret-objects.ts'
import { checkTemplateNames } from './check-template-names.ts'
import { namedFiles } from './class-files.ts'
import { classLimits } from './class-limits.ts'
import type { ClassSpec } from './class-spec.ts'
import { type Finding, Findings } from './finding.ts'
import { parameterNames } from './parameter-table.ts'
import { type ParseObjects, parseObjects } from './parse-objects.ts'
import { isForeign, parseParameters } from './parse-parameters.ts'
import { checkTenant } from './tenant.ts'
import { unknownCloud } from './unknown-cloud.ts'

/**
 * Everything about a SecretProviderClass that can be checked without a pod and without a vault. What the provider would refuse
 * is found by the provider's own parser. A class of another provider is only looked at where drivers act on it.
 *
 * @param parse reads `objects`; a caller that parses the class as well passes one that remembers
 */
export function checkClass(object: unknown, parse: ParseObjects = parseObjects): Finding[] {
  const findings = new Findings()
  const spec = recordAt(recordOf(object)?.spec, 'spec', findings)
  const provider = textAt(spec.provider, 'spec.provider', findings)
  if (provider === '') fails(findings, 'spec.provider', 'missing: it names the provider, for example azure')
  const parameters = parametersAt(spec.parameters, findings)
  const isAzure = provider === 'azure'
  if (!isAzure && provider.trim().toLowerCase() === 'azure')
    fails(findings, 'spec.provider', `found "${provider}"; did you mean azure?`)
  const parsed = isAzure && parameters.size > 0 ? checkParameters(parameters, findings, parse) : undefined
  checkSecretObjects(spec.secretObjects, parsed, findings)
  if (parsed !== undefined && parsed.values.fallbackSecretName !== '') checkFallbackKeys(parsed, findings)
  return findings.list
}

/** The class, where its parameters are as they should be; otherwise its files are unknown. */
function checkParameters(
  parameters: Map<string, string>,
  findings: Findings,
  parse: ParseObjects,
): ClassSpec | undefined {
  const problems = new Problems()
  const spec = parseParameters(parameters, problems, parse)
  const isComplete = problems.count === 0
  if (isComplete && spec.objects.length === 0 && spec.selects.length === 0)
    problems.add('objects', 'has no entry: a volume needs at least one object')
  checkDriverParameters(parameters, spec, problems)
  const { cloudName } = spec.values
  if (findCloud(cloudName) === undefined && !isStackCloud(cloudName)) problems.add('', unknownCloud(cloudName))
  checkIdentity(spec.identity, problems, findings)
  for (const { path, message } of problems.list) fails(findings, within(path), message)
  if (isComplete) checkTemplateNames(spec, findings)
  remarkUnknown(parameters, problems, findings)
  checkReserved(parameters, findings)
  return isComplete ? spec : undefined
}

/** Those that the driver acts on. Checks closer together than a second would only load the vault. */
function checkDriverParameters(
  parameters: ReadonlyMap<string, string>,
  { values }: ClassSpec,
  problems: Problems,
): void {
  if (parseFileOwner(values.fileOwner) === undefined)
    problems.unexpected('fileOwner', values.fileOwner, '"<user id>" or "<user id>:<group id>"')
  const interval = parameters.get('syncInterval') ?? ''
  if (values.syncInterval !== undefined && parseSyncInterval(interval) === undefined)
    problems.unexpected('syncInterval', interval, syncIntervalForm)
}

/** A Secret has one content under one key, so two files whose names differ only by the separator cannot both come from it. */
function checkFallbackKeys(spec: ClassSpec, findings: Findings): void {
  const files = new Map<string, string>()
  for (const { path } of namedFiles(spec)) {
    const key = fallbackSecretKey(path)
    const other = files.get(key) ?? path
    files.set(key, other)
    const at = within('fallbackSecretName')
    if (other !== path)
      findings.add('secret', { path: at, message: `files "${other}" and "${path}" have the same key "${key}"` })
    if (!/^[-._a-zA-Z0-9]{1,253}$/.test(key))
      findings.add('secret', { path: at, message: `file "${path}": "${key}" cannot be the key of a Secret` })
  }
}

function checkIdentity(identity: ClassIdentity, problems: Problems, findings: Findings): void {
  const { signIn, tenantId, userAssignedIdentityId } = identity
  if (tenantId === '') {
    remark(
      findings,
      'tenantID',
      'missing: pods can only mount the class if their service account has the annotation azure.workload.identity/tenant-id, or the provider a --default-tenant',
    )
  } else checkTenant(tenantId, problems)
  if (signIn === 'managed')
    remark(
      findings,
      'useVMManagedIdentity',
      'signs in as the node: unless the provider restricts it (--managed-identities), every namespace can use the same identity; workload identity gives each service account its own',
    )
  if (userAssignedIdentityId !== '' && signIn !== 'managed')
    remark(findings, 'userAssignedIdentityID', 'has no effect without useVMManagedIdentity: "true"')
}

/** Names that resemble a parameter are problems; the others may be meant for another program, or be of an old release. */
function remarkUnknown(parameters: ReadonlyMap<string, string>, problems: Problems, findings: Findings): void {
  if (parameters.size > classLimits.parameters.value) return
  for (const name of parameters.keys()) {
    if (parameterNames.includes(name) || isForeign(name)) continue
    if (problems.list.some(({ message }) => message.includes(`"${name}"`))) continue
    remark(findings, name, 'is not a parameter of this provider, and has no effect')
  }
}

/** Kubelet sets them for each pod; the driver passes on nothing else under these names. */
function checkReserved(parameters: ReadonlyMap<string, string>, findings: Findings): void {
  for (const name of parameters.keys()) {
    if (name.startsWith('csi.storage.k8s.io/'))
      remark(findings, name, 'is set by kubelet for each pod, and ignored in a class')
  }
}

function parametersAt(value: unknown, findings: Findings): Map<string, string> {
  const path = 'spec.parameters'
  const found = recordAt(value, path, findings)
  const parameters = new Map(
    Object.entries(found).map(([name, text]) => [name, textAt(text, `${path}.${name}`, findings)]),
  )
  if (parameters.size === 0) fails(findings, path, 'missing: it lists what the provider reads')
  return parameters
}

function recordAt(value: unknown, path: string, findings: Findings): Record<string, unknown> {
  const record = recordOf(value ?? {})
  if (record === undefined) fails(findings, path, `found ${typeName(value)}, expected fields`)
  return record ?? {}
}

function textAt(value: unknown, path: string, findings: Findings): string {
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

function fails(findings: Findings, path: string, message: string): void {
  findings.add('mount', { path, message })
}

function remark(findings: Findings, parameter: string, message: string): void {
  findings.add(undefined, { path: within(parameter), message })
}
