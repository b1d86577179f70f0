import { isTlsKey, refusedSecretTypes, tlsKeys, tlsSecretType } from '#kubernetes/client'
import { nearestName } from '#lib'
import { type ClassFiles, classFiles } from './class-files.ts'
import type { Finding } from './finding.ts'
import type { ObjectSpec } from './object-spec.ts'

/** An entry as far as it can be looked at; its shape is what the CRD's schema says, or nothing. */
interface Entry {
  secretName?: unknown
  type?: unknown
  data?: unknown
}

/**
 * What keeps a Secret of `secretObjects` from being written.
 *
 * @param objects those of the class; undefined when they are not known, and with them its files
 */
export function checkSecretObjects(
  value: unknown,
  objects: readonly ObjectSpec[] | undefined,
  findings: Finding[],
): void {
  const files = objects === undefined ? undefined : classFiles(objects)
  for (const [index, entry] of listOf<Entry | null>(value).entries()) {
    const at = `spec.secretObjects[${index}]`
    const wrong = (field: string, message: string) =>
      findings.push({ path: `${at}.${field}`, message, fails: 'secret' as const })
    const type = textOf(entry?.type)
    if (textOf(entry?.secretName) === '') wrong('secretName', 'missing')
    if (refusedSecretTypes.has(type)) wrong('type', `${type} is not allowed: Kubernetes gives such a Secret rights`)
    const data = listOf<{ objectName?: unknown; key?: unknown } | null>(entry?.data)
    if (data.length === 0) wrong('data', 'missing: give at least one objectName and key')
    for (const [row, item] of data.entries()) {
      const [name, key] = [textOf(item?.objectName), textOf(item?.key)]
      if (key === '') wrong(`data[${row}].key`, 'missing')
      else if (type === tlsSecretType && !isTlsKey(key))
        wrong(`data[${row}].key`, `found "${key}": a ${tlsSecretType} Secret has ${tlsKeys.join(', ')}`)
      if (name === '') wrong(`data[${row}].objectName`, 'missing')
      else if (files?.has(name) === false) wrong(`data[${row}].objectName`, notFetched(name, files))
    }
  }
}

function notFetched(name: string, { names }: ClassFiles): string {
  const near = nearestName(name, names)
  const known = names.slice(0, 20).join(', ')
  const hint = near === undefined ? `the class has ${known}` : `did you mean ${near}?`
  return `"${name}" is no file of this class: an object is named by its objectAlias, or its objectName without one (${hint})`
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as T[]) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}
