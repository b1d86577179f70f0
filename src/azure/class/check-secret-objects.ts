import { everyFile, isEveryFileKey, isTlsKey, refusedSecretTypes, tlsKeys, tlsSecretType } from '#kubernetes/client'
import { beyondLimit } from '#lib'
import { type ClassFiles, classFiles } from './class-files.ts'
import { classLimits } from './class-limits.ts'
import type { ClassSpec } from './class-spec.ts'
import type { Findings } from './finding.ts'

/** An entry of unknown shape: the CRD's schema may not have been applied to it. */
interface Entry {
  secretName?: unknown
  type?: unknown
  data?: unknown
}

interface DataRow {
  objectName?: unknown
  key?: unknown
}

/**
 * What keeps a Secret of `secretObjects` from being written.
 *
 * @param spec the class; undefined when its parameters cannot be read, and with them its files
 */
export function checkSecretObjects(value: unknown, spec: ClassSpec | undefined, findings: Findings): void {
  const files = spec === undefined ? undefined : classFiles(spec)
  const syncAll = spec?.values.syncAll
  const entries = listOf<Entry | null>(value)
  const { secretObjects, secretData } = classLimits
  if (entries.length > secretObjects.value) {
    findings.add('secret', { path: 'spec.secretObjects', message: beyondLimit(secretObjects, entries.length) })
  }
  let left: number = secretData.value
  const rows = { given: 0, written: 0 }
  const firstOf = new Map<string, number>()
  for (const [index, entry] of entries.slice(0, secretObjects.value).entries()) {
    const data = listOf<DataRow | null>(entry?.data)
    const at = `spec.secretObjects[${index}]`
    checkEntry({ at, entry, data: data.slice(0, left), files, syncAll, findings })
    const name = textOf(entry?.secretName)
    const first = firstOf.get(name) ?? index
    firstOf.set(name, first)
    if (name !== '' && first !== index) {
      // The two would write the Secret in turn for ever, each without the other's keys; the driver writes neither.
      const message = `"${name}" is the name of spec.secretObjects[${first}] already; put all keys into one entry`
      findings.add('secret', { path: `${at}.secretName`, message })
    }
    if (data.length > left) {
      const path = `spec.secretObjects[${index}].data`
      findings.add('secret', { path, message: beyondLimit(secretData, secretData.value - left + data.length) })
    }
    left = Math.max(0, left - data.length)
    const isForAll = (row: DataRow | null) => textOf(row?.objectName) === everyFile && isEveryFileKey(textOf(row?.key))
    const forAll = syncAll === true ? data.filter(isForAll).length : 0
    rows.given += data.length
    rows.written += data.length + forAll * ((files?.names.length ?? 1) - 1)
  }
  if (rows.given <= secretData.value && rows.written > secretData.value)
    findings.add('secret', { path: 'spec.secretObjects', message: beyondLimit(secretData, rows.written) })
}

interface EntryCheck {
  /** Path of the entry, for findings. */
  at: string
  entry: Entry | null
  data: readonly (DataRow | null)[]
  files: ClassFiles | undefined
  /** Whether an entry may be for all files; undefined when that is unknown. */
  syncAll: boolean | undefined
  findings: Findings
}

function checkEntry({ at, entry, data, files, syncAll, findings }: EntryCheck): void {
  const wrong = (field: string, message: string) => findings.add('secret', { path: `${at}.${field}`, message })
  const type = textOf(entry?.type)
  if (textOf(entry?.secretName) === '') wrong('secretName', 'missing')
  if (refusedSecretTypes.has(type)) wrong('type', `${type} is not allowed: Kubernetes gives such a Secret rights`)
  if (data.length === 0 && listOf(entry?.data).length === 0)
    wrong('data', 'missing: give at least one objectName and key')
  const rowOf = new Map<string, number>()
  for (const [row, item] of data.entries()) {
    const [name, key] = [textOf(item?.objectName), textOf(item?.key)]
    const earlier = rowOf.get(key)
    rowOf.set(key, earlier ?? row)
    if (key !== '' && earlier !== undefined)
      wrong(`data[${row}].key`, `"${key}" is the key of data[${earlier}] already`)
    if (name === everyFile) {
      const fault = everyFileFault({ key, type, syncAll })
      if (fault !== undefined) wrong(`data[${row}].${fault.field}`, fault.message)
      continue
    }
    if (key === '') wrong(`data[${row}].key`, 'missing')
    else if (type === tlsSecretType && !isTlsKey(key))
      wrong(`data[${row}].key`, `found "${key}": a ${tlsSecretType} Secret has ${tlsKeys.join(', ')}`)
    if (name === '') wrong(`data[${row}].objectName`, 'missing')
    else if (files?.has(name) === false && !files.open)
      wrong(`data[${row}].objectName`, findings.full ? '' : notFetched(name, files.names, findings))
  }
}

function everyFileFault({
  key,
  type,
  syncAll,
}: {
  key: string
  type: string
  syncAll: boolean | undefined
}): { field: 'objectName' | 'key'; message: string } | undefined {
  if (syncAll === false)
    return { field: 'objectName', message: 'found "*": every file needs the parameter syncAll: "true"' }
  if (!isEveryFileKey(key))
    return { field: 'key', message: `found "${key}": a key of every file has {file} once, such as "{file}"` }
  if (type === tlsSecretType)
    return { field: 'objectName', message: `found "*": a ${tlsSecretType} Secret has ${tlsKeys.join(', ')}` }
  return undefined
}

function notFetched(name: string, names: readonly string[], findings: Findings): string {
  const near = findings.nearest(name, names)
  const hint = near === undefined ? `the class has ${names.slice(0, 20).join(', ')}` : `did you mean ${near}?`
  return `"${name}" is not a file of this class: an object is named by its objectAlias, or its objectName without one (${hint})`
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as T[]) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}
