import { fromBytes, toBytes } from './template-value.ts'
import { quotableText, type Words, words } from './template-words.ts'

/** The formats of `quote`. */
export const quoteFormats = ['properties', 'shell', 'json', 'yaml', 'toml'] as const

type Quoted = { bytes: string } | { fault: Words }

/** A text as a value of a file of this format. @param bytes each character is a byte */
export function quoted(format: string, bytes: string): Quoted {
  switch (format) {
    case 'properties':
      return { bytes: quotedProperties(fromBytes(bytes)) }
    case 'shell':
      return bytes.includes('\0')
        ? { fault: words`a shell cannot hold a NUL byte` }
        : { bytes: `'${bytes.replaceAll("'", `'\\''`)}'` }
    case 'json':
    case 'yaml':
      return { bytes: quotedJson(bytes) }
    case 'toml':
      return { bytes: toBytes(quotedToml(fromBytes(bytes))) }
    default:
      return { fault: words`quote expects one of ${quotableText(quoteFormats.join(', '))}` }
  }
}

/** Also a text of YAML in double quotes. */
export function quotedJson(bytes: string): string {
  const json = JSON.stringify(fromBytes(bytes))
  return toBytes(json.replace(/[\u2028\u2029\x7f]/g, unicodeEscape))
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** As `java.util.Properties.store` writes a value. */
function quotedProperties(text: string): string {
  const escaped = text.replace(/[\\=:#!\t\n\r\f]|[^\x20-\x7e]/g, (character) => {
    switch (character) {
      case '\t':
        return '\\t'
      case '\n':
        return '\\n'
      case '\r':
        return '\\r'
      case '\f':
        return '\\f'
      default:
        return /[\\=:#!]/.test(character)
          ? `\\${character}`
          : `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
    }
  })
  return escaped.startsWith(' ') ? `\\${escaped}` : escaped
}

const tomlEscapes: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
  '"': '\\"',
  '\\': '\\\\',
}

/** https://toml.io/en/v1.0.0#string */
function quotedToml(text: string): string {
  const escaped = text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what TOML does not allow in a text
    /[\x00-\x1f"\\\x7f]/g,
    (character) => tomlEscapes[character] ?? unicodeEscape(character),
  )
  return `"${escaped}"`
}
