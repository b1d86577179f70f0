import { parseTemplate, TemplateError, templateBudget, templateNames } from '#lib/template'

export interface TranslatedTemplate {
  text: string
  /** Entries of `data` that the template uses as a certificate with its key. */
  certificates: ReadonlySet<string>
  /** Entries that the template uses as a JWK that becomes PEM. */
  keys: ReadonlySet<string>
  /** Names of entries that it uses. */
  names: readonly string[]
}

const pipe = String.raw`\s*\|\s*`
const name = String.raw`(?:\.(\w+)|\(?index\s+\$?\.\s+"([^"{}]*)"\)?|\(?index\s+"([^"{}]*)"\)?)`
const certificatePart = new RegExp(`^${name}${pipe}b64dec${pipe}pkcs12(cert|key)$`)
const keyPart = new RegExp(`^${name}${pipe}jwkPublicKeyPem$`)

/**
 * A template of an ExternalSecret in the language of `templates`: the PEM of a PFX and of a JWK, which Keymount’s files are
 * already, `index . "NAME"`, and `toString`, which changes nothing. Everything else has to be within the subset.
 */
export function translateTemplate(text: string): TranslatedTemplate | { fault: string; line: number } {
  const [certificates, keys] = [new Set<string>(), new Set<string>()]
  const translated = text.replaceAll(/\{\{(-?\s)?([^{}]*?)(\s-)?\}\}/g, (_, open = '', action: string, close = '') => {
    const inner = translateAction(action.trim(), certificates, keys)
    return `{{${open === '' ? ' ' : open}${inner}${close === '' ? ' ' : close}}}`
  })
  try {
    const template = parseTemplate(translated, templateBudget())
    const names = templateNames(template)
    return { text: translated, certificates, keys, names: [...new Set(names.map((one) => one.name))] }
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    return { fault: error.message, line: error.position.line }
  }
}

function translateAction(action: string, certificates: Set<string>, keys: Set<string>): string {
  const certificate = certificatePart.exec(action)
  if (certificate !== null) {
    const used = nameOf(certificate)
    certificates.add(used)
    return `${reference(used)} | ${certificate[4] === 'cert' ? 'pemChain' : 'pemKey'}`
  }
  const key = keyPart.exec(action)
  if (key !== null) {
    keys.add(nameOf(key))
    return reference(nameOf(key))
  }
  return action
    .replaceAll(/\bindex\s+\$?\.\s+"/g, 'index "')
    .replaceAll(/\s*\|\s*toString\b/g, '')
    .trim()
}

function nameOf([, field, indexed, exact]: RegExpExecArray): string {
  return field ?? indexed ?? exact ?? ''
}

function reference(used: string): string {
  return /^\w+$/.test(used) ? `.${used}` : `index "${used}"`
}
