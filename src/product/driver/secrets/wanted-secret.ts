import {
  everyFile,
  everyFileRows,
  isTlsKey,
  refusedSecretTypes,
  rowsFault,
  type SecretObject,
  type TlsKey,
  tlsKeys,
  tlsSecretType,
} from '#kubernetes/client'
import { beyondLimit, errorMessage, Problems, type SecretValue } from '#lib'
import type { DriverSecret } from '../content/driver-secrets.ts'
import { driverLimits } from '../driver-limits.ts'

/** Values by key. Without a prototype: `__proto__` is a valid key of a Secret. */
export type SecretData = Readonly<Record<string, SecretValue>>

/** A Secret that a class asks for. */
export interface WantedSecret {
  name: string
  type: string
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
  data: SecretData
}

/** The files of a volume, as far as a class names them for Secrets. */
export interface SourceFiles {
  /** Paths of all files, for errors. */
  paths: readonly string[]
  contents: ReadonlyMap<string, SecretValue>
}

/** Makes the value of a key of a `kubernetes.io/tls` Secret. Throws with a text that holds nothing of the content. */
export type TlsValue = (key: TlsKey, contents: SecretValue) => Promise<SecretValue>

/** Names of the Secrets that a class asks for. */
export function secretNames(secretObjects: readonly SecretObject[]): string[] {
  return secretObjects.map(nameOf).filter((name) => name !== '')
}

/** Throws for more rows than the entries of a class may have together. @param paths of all files */
export function refuseTooManyRows(secretObjects: readonly DriverSecret[], paths: readonly string[]): void {
  const isAll = secretObjects.some((object) => object.everyFile === true)
  const fault = rowsFault(secretObjects, isAll ? paths.length : 1)
  if (fault !== undefined) throw new Error(fault)
}

/** Paths of the files that the entries of a class name. @param paths of all files */
export function sourcePaths(secretObjects: readonly DriverSecret[], paths: readonly string[]): Set<string> {
  const named = new Set(secretObjects.flatMap(({ data = [] }) => data.map(({ objectName = '' }) => objectName.trim())))
  const isAll = named.has(everyFile) && secretObjects.some((object) => object.everyFile === true)
  return isAll ? new Set([...named, ...paths]) : named
}

/** Makes one entry of `secretObjects` out of the mounted files. Throws {@link ProblemsError} when it cannot be made. */
export async function wantedSecret(
  object: DriverSecret,
  files: SourceFiles,
  tlsValue: TlsValue,
): Promise<WantedSecret> {
  const problems = new Problems()
  const name = nameOf(object)
  const type = typeOf(object)
  if (name === '') problems.add('secretName', 'missing')
  if (refusedSecretTypes.has(type))
    problems.add('type', `${type} is not allowed: Kubernetes gives such a Secret rights`)
  const sources = sourcesOf(object, files, problems)
  const bytes = sources.reduce((sum, { contents }) => sum + contents.size, 0)
  const isTooLarge = bytes > driverLimits.secretBytes.value
  if (isTooLarge) problems.add('data', beyondLimit(driverLimits.secretBytes, bytes))
  const data: Record<string, SecretValue> = Object.create(null)
  for (const { path, key, file, contents } of isTooLarge ? [] : sources) {
    try {
      data[key] = type === tlsSecretType ? await tlsEntry(key, contents, tlsValue) : contents
    } catch (error) {
      problems.add(path, `"${file}" ${errorMessage(error)}`)
    }
  }
  problems.throwIfAny(`secretObjects entry "${name}"`)
  return { name, type, labels: object.labels ?? {}, annotations: object.annotations ?? {}, data }
}

interface Source {
  path: string
  key: string
  file: string
  contents: SecretValue
}

/** What goes under which key: each key once, each from a file that exists. */
function sourcesOf({ data: given = [], everyFile }: DriverSecret, files: SourceFiles, problems: Problems): Source[] {
  const data = everyFile === true ? everyFileRows(given, files.paths) : given
  if (data.length === 0) problems.add('data', 'missing: give at least one objectName and key')
  const sources: Source[] = []
  const rows = new Map<string, number>()
  for (const [index, { objectName = '', key: rawKey = '' }] of data.entries()) {
    const path = `data[${index}]`
    const [file, key] = [objectName.trim(), rawKey.trim()]
    const contents = files.contents.get(file)
    const earlier = rows.get(key)
    if (file === '') problems.add(`${path}.objectName`, 'missing')
    if (key === '') problems.add(`${path}.key`, 'missing')
    else if (earlier !== undefined) problems.add(`${path}.key`, `"${key}" is the key of data[${earlier}] already`)
    else rows.set(key, index)
    if (file === '' || key === '' || earlier !== undefined) continue
    if (contents === undefined) problems.add(`${path}.objectName`, notAFile(file, files))
    else sources.push({ path, key, file, contents })
  }
  return sources
}

function notAFile(file: string, { paths }: SourceFiles): string {
  return `"${file}" is not a file of the volume; found: ${paths.slice(0, 20).join(', ') || 'none'}`
}

async function tlsEntry(key: string, contents: SecretValue, tlsValue: TlsValue): Promise<SecretValue> {
  if (!isTlsKey(key))
    throw new Error(`cannot be put under "${key}": a kubernetes.io/tls Secret has ${tlsKeys.join(', ')}`)
  return tlsValue(key, contents)
}

export function nameOf({ secretName }: SecretObject): string {
  return secretName?.trim() ?? ''
}

export function typeOf({ type }: SecretObject): string {
  return type?.trim() || 'Opaque'
}
