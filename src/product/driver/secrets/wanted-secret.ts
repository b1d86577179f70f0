import { isTlsKey, refusedSecretTypes, type SecretObject, tlsKeys, tlsSecretType } from '#kubernetes/client'
import { errorMessage, formatProblem, type Problem, type SecretValue } from '#lib'
import { tlsValue } from '#kubernetes/secret-data'

/** A Secret that a class asks for. */
export interface WantedSecret {
  name: string
  type: string
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
  data: Readonly<Record<string, SecretValue>>
}

/** Makes one entry of `secretObjects` out of the mounted files; a list of problems when it cannot be made. */
export async function wantedSecret(
  object: SecretObject,
  files: ReadonlyMap<string, SecretValue>,
): Promise<WantedSecret | readonly Problem[]> {
  const problems: Problem[] = []
  const name = object.secretName?.trim() ?? ''
  const type = object.type?.trim() || 'Opaque'
  if (name === '') problems.push({ path: 'secretName', message: 'missing' })
  if (refusedSecretTypes.has(type))
    problems.push({ path: 'type', message: `${type} is not allowed: Kubernetes gives such a Secret rights` })
  const entries = object.data ?? []
  if (entries.length === 0) problems.push({ path: 'data', message: 'missing: give at least one objectName and key' })
  const data: Record<string, SecretValue> = {}
  for (const [index, { objectName = '', key = '' }] of entries.entries()) {
    const path = `data[${index}]`
    const [file, dataKey] = [objectName.trim(), key.trim()]
    if (file === '') problems.push({ path: `${path}.objectName`, message: 'missing' })
    if (dataKey === '') problems.push({ path: `${path}.key`, message: 'missing' })
    if (file === '' || dataKey === '') continue
    const contents = files.get(file)
    if (contents === undefined) {
      const known = [...files.keys()].slice(0, 20).join(', ') || 'none'
      problems.push({ path: `${path}.objectName`, message: `"${file}" is not a file of the volume; found: ${known}` })
      continue
    }
    try {
      data[dataKey] = type === tlsSecretType ? await tlsEntry(dataKey, contents) : contents
    } catch (error) {
      problems.push({ path, message: `"${file}" ${errorMessage(error)}` })
    }
  }
  if (problems.length > 0) return problems
  return { name, type, labels: object.labels ?? {}, annotations: object.annotations ?? {}, data }
}

async function tlsEntry(key: string, contents: SecretValue): Promise<SecretValue> {
  if (!isTlsKey(key))
    throw new Error(`cannot be put under "${key}": a kubernetes.io/tls Secret has ${tlsKeys.join(', ')}`)
  return tlsValue(key, contents)
}

export function isWanted(result: WantedSecret | readonly Problem[]): result is WantedSecret {
  return !Array.isArray(result)
}

export function problemsText(object: SecretObject, problems: readonly Problem[]): string {
  return `secretObjects entry "${object.secretName ?? ''}": ${problems.map(formatProblem).join('; ')}`
}
