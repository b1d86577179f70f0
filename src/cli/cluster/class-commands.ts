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
