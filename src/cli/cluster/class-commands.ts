import type { Finding } from '#azure/class'
import type { SecretProviderClass } from '#kubernetes/client'
import { commandLine } from '#terminal'

/** The command that changes parameters of a class; null removes one. */
export function patchParameters({ metadata }: SecretProviderClass, parameters: Record<string, string | null>): string {
  return patch(metadata, 'merge', { spec: { parameters } })
}

/**
 * The command that replaces a word of the parameter `objects`, which is YAML within YAML; undefined if the word is not in
 * it exactly once.
 */
export function patchObjects(object: SecretProviderClass, found: string, wanted: string): string | undefined {
  const objects = object.spec?.parameters?.objects ?? ''
  const parts = objects.split(found)
  const [before = '', after = ''] = parts
  const isWord = !/[\w-]$/.test(before) && !/^[\w-]/.test(after)
  return found === '' || parts.length !== 2 || !isWord
    ? undefined
    : patchParameters(object, { objects: parts.join(wanted) })
}

/**
 * The command that gives one entry of `objects` another `objectType`; undefined if the entry is not written as lines of its own, or
 * is there twice.
 */
export function patchObjectType(object: SecretProviderClass, name: string, wanted: string): string | undefined {
  const entries = entriesOf(object.spec?.parameters?.objects ?? '')
  const named = entries.filter((entry) => fieldOf(entry, 'objectName') === name)
  const [entry] = named
  if (entry === undefined || named.length > 1) return undefined
  const found = fieldOf(entry, 'objectType')
  const changed = entry.split('\n').flatMap((line) => {
    const [, before, field] = /^([ \t-]*)(objectName|objectType)[ \t]*:/.exec(line) ?? []
    if (field === 'objectType') return [`${before}objectType: ${wanted}`]
    // An entry without a type is a secret.
    const isPlace = field === 'objectName' && found === undefined
    return isPlace ? [line, `${before?.replace('-', ' ')}objectType: ${wanted}`] : [line]
  })
  const objects = entries.map((one) => (one === entry ? changed.join('\n') : one)).join('')
  return patchParameters(object, { objects })
}

/** The text in front of the list, and the text of each of its entries. */
function entriesOf(objects: string): string[] {
  const start = /^[ \t]*- /m.exec(objects)?.[0]
  const entries = ['']
  for (const line of objects.split(/(?<=\n)/)) {
    if (start !== undefined && line.startsWith(start)) entries.push('')
    entries.push(`${entries.pop() ?? ''}${line}`)
  }
  return entries
}

/** The value of a field that has a line of its own. */
function fieldOf(entry: string, field: 'objectName' | 'objectType'): string | undefined {
  for (const line of entry.split('\n')) {
    const [, name, value = ''] = /^[ \t-]*(objectName|objectType)[ \t]*:[ \t]*(\S*)/.exec(line) ?? []
    if (name === field) return value.replaceAll(/^["']|["']$/g, '')
  }
  return undefined
}

/** The command that corrects what a check of a class has found: exactly, where it knows what was meant; else the editor. */
export function fixOfClass({ path, message }: Finding, object: SecretProviderClass): string {
  const [, near] = /did you mean ([^?\s]+)\?/.exec(message) ?? []
  const exact = near === undefined ? withoutName(message, object) : corrected(path, message, near, object)
  return exact ?? editClass(object)
}

export function editClass({ metadata }: SecretProviderClass): string {
  return commandLine('kubectl', 'edit', 'secretproviderclass', metadata.name ?? '', ...namespaceOf(metadata))
}

function corrected(path: string, message: string, near: string, object: SecretProviderClass): string | undefined {
  if (path === 'spec.provider') return patch(object.metadata, 'merge', { spec: { provider: near } })
  const [, wrong] = /(?:found|unknown (?:field|parameter)) "([^"]+)"/.exec(message) ?? []
  const parameters = object.spec?.parameters ?? {}
  const value = wrong === undefined ? undefined : parameters[wrong]
  if (wrong !== undefined && value !== undefined) return patchParameters(object, { [wrong]: null, [near]: value })
  if (path.startsWith('spec.secretObjects')) {
    const pointer = `/${path.replaceAll(/[.[\]]+/g, '/')}`
    return patch(object.metadata, 'json', [{ op: 'replace', path: pointer, value: near }])
  }
  return wrong === undefined ? undefined : patchObjects(object, wrong, near)
}

/** A vault that is given by its URL: of the class, or of one object. */
function withoutName(message: string, object: SecretProviderClass): string | undefined {
  const [, wrong = ''] = /Invalid vault name: "([^"]+)"/.exec(message) ?? []
  const [, name] = /expected its name alone: ([-A-Za-z0-9]+)/.exec(message) ?? []
  if (name === undefined) return undefined
  const { keyvaultName = '' } = object.spec?.parameters ?? {}
  return keyvaultName === wrong ? patchParameters(object, { keyvaultName: name }) : patchObjects(object, wrong, name)
}

function patch(metadata: SecretProviderClass['metadata'], type: 'merge' | 'json', change: unknown): string {
  const words = ['kubectl', 'patch', 'secretproviderclass', metadata.name ?? '', ...namespaceOf(metadata)]
  return commandLine(...words, '--type', type, '--patch', JSON.stringify(change))
}

function namespaceOf({ namespace = 'default' }: SecretProviderClass['metadata']): string[] {
  return ['--namespace', namespace]
}
