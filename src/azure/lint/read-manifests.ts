import { Composer, type CST, Lexer, Parser } from 'yaml'
import { beyondLimit, errorMessage, orUndefined } from '#lib'
import { parseJson, recordOf, stringOf } from '#lib/formats'
import { lintLimits } from './lint-limits.ts'
import { type Place, type PlacedText, wholeFile } from './place.ts'
import { type DuplicateKey, type Path, type YamlDocument, yamlDocument } from './yaml-document.ts'

/** A Kubernetes object of a file. */
export interface Manifest {
  /** The file's name, as the caller gave it. */
  file: string
  apiVersion: string
  kind: string
  name: string
  /** Empty where the manifest names none. */
  namespace: string
  value: Record<string, unknown>
  /** The text of its document, comments above it included; undefined for an item of a list. */
  document: string | undefined
  /** Place of what is at a path of the object; of the nearest level above it where the object does not have it. */
  placeOf(path: Path): Place
  /** The text at a path of the object, with the places of its characters. */
  textAt(path: Path): PlacedText | undefined
}

export interface Unreadable extends Place {
  message: string
}

/** Kind and name of a document without an apiVersion and a kind; undefined for one that is of no interest. */
export type Otherwise = (value: Record<string, unknown>) => Pick<Manifest, 'apiVersion' | 'kind' | 'name'> | undefined

export interface ReadFile {
  manifests: readonly Manifest[]
  /** Why the file, or a document of it, could not be read. */
  unreadable: readonly Unreadable[]
  duplicates: readonly DuplicateKey[]
}

/**
 * The Kubernetes objects of a text of YAML or JSON: of all documents, and of the items of lists. Documents of other kinds
 * (values, workflows) are skipped. Takes time in proportion to the text; never throws.
 *
 * @param otherwise names a document that is not an object
 */
export function readManifests(file: string, text: string, otherwise: Otherwise = () => undefined): ReadFile {
  const placed = wholeFile(text)
  try {
    refuseUnfit(text)
    const hidden = hiddenLineEnd(placed)
    return hidden === undefined
      ? readDocuments(file, placed, otherwise)
      : { manifests: [], unreadable: [hidden], duplicates: [] }
  } catch (error) {
    // Opening brackets without end overflow the parser's stack.
    const message = error instanceof RangeError ? 'is nested too deeply' : errorMessage(error)
    return { manifests: [], unreadable: [{ line: 1, column: 1, message }], duplicates: [] }
  }
}

function refuseUnfit(text: string): void {
  const { fileBytes, tokens } = lintLimits
  if (text.length > fileBytes.value) throw new Error(beyondLimit(fileBytes, text.length))
  if (text.includes('\0')) throw new Error('is not text: found a NUL character, expected YAML or JSON in UTF-8')
  // There are less than three tokens per character.
  if (text.length <= tokens.value / 3) return
  let left: number = tokens.value
  // Each bracket and each error costs the parser more than its character.
  for (const _ of new Lexer().lex(text)) if (--left < 0) throw new Error(beyondLimit(tokens, tokens.value + 1))
}

/**
 * kubectl and helm read YAML 1.1, in which these characters end a line: the manifest that they apply is another one than this
 * reader, and most editors, would show. JSON has them as they are.
 */
function hiddenLineEnd(placed: PlacedText): Unreadable | undefined {
  const at = placed.text.search(/[\u0085\u2028\u2029]|\r(?!\n)/)
  if (at < 0 || isJson(placed.text)) return undefined
  const code = placed.text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')
  const message = `has U+${code}, at which kubectl ends the line; expected a line feed, or \\u${code.toLowerCase()} in double quotes`
  return { ...placed.at(at), message }
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false
  return orUndefined(() => parseJson('the file', text, { maxLength: lintLimits.fileBytes.value })) !== undefined
}

function readDocuments(file: string, placed: PlacedText, otherwise: Otherwise): ReadFile {
  const manifests: Manifest[] = []
  const unreadable: Unreadable[] = []
  const duplicates: DuplicateKey[] = []
  const options = { merge: false, uniqueKeys: false, prettyErrors: false, logLevel: 'silent' } as const
  let end = 0
  const tokens = untilTooManyErrors(new Parser().parse(placed.text))
  for (const { contents, errors, range } of new Composer(options).compose(tokens)) {
    for (const { message, pos } of errors)
      unreadable.push({ ...placed.at(pos[0]), message: yamlMessage(message, placed.text) })
    const start = end
    end = range[2]
    if (errors.length > 0) continue
    try {
      const document = yamlDocument(contents, placed)
      const source = placed.text.slice(start, end)
      const objects = manifestsOf(file, document, source)
      const found = objects.length > 0 ? objects : otherManifest(file, document, source, otherwise)
      manifests.push(...found)
      if (found.length > 0) duplicates.push(...document.duplicates)
    } catch (error) {
      unreadable.push({ ...placed.at(contents?.range?.[0] ?? 0), message: errorMessage(error) })
    }
  }
  return { manifests, unreadable: firstOf(unreadable), duplicates }
}

/** Each error takes the composer longer than a token that is right. */
function* untilTooManyErrors(tokens: Iterable<CST.Token>): Generator<CST.Token> {
  let left = 10 * lintLimits.errors.value
  for (const token of tokens) {
    if (token.type === 'error' && --left < 0) throw new Error(yamlMessage(token.message, ''))
    yield token
  }
}

function firstOf(unreadable: Unreadable[]): Unreadable[] {
  const { value } = lintLimits.errors
  const [first] = unreadable
  if (unreadable.length <= value || first === undefined) return unreadable
  return [...unreadable.slice(0, value), { ...first, message: `and ${unreadable.length - value} more errors` }]
}

function yamlMessage(message: string, text: string): string {
  if (/^Maximum call stack/.test(message)) return 'is nested too deeply'
  const hint = text.includes('{{') ? '; it looks like a template: check the chart with --helm' : ''
  return `is not valid YAML: ${message.split('\n')[0] ?? ''}${hint}`
}

function manifestsOf(file: string, document: YamlDocument, text: string): Manifest[] {
  return objectsIn(document.value, []).map(({ value, path }) => {
    const metadata = recordOf(value.metadata)
    return {
      file,
      apiVersion: stringOf(value.apiVersion) ?? '',
      kind: stringOf(value.kind) ?? '',
      name: stringOf(metadata?.name) ?? '',
      namespace: stringOf(metadata?.namespace) ?? '',
      value,
      document: path.length === 0 ? text : undefined,
      placeOf: (inner) => document.placeOf([...path, ...inner]),
      textAt: (inner) => document.textAt([...path, ...inner]),
    }
  })
}

function otherManifest(file: string, document: YamlDocument, text: string, otherwise: Otherwise): Manifest[] {
  const value = recordOf(document.value)
  const taken =
    value === undefined || (value.kind !== undefined && value.apiVersion !== undefined) ? undefined : otherwise(value)
  if (value === undefined || taken === undefined) return []
  const placeOf = (inner: Path) => document.placeOf(inner)
  return [{ file, ...taken, namespace: '', value, document: text, placeOf, textAt: (inner) => document.textAt(inner) }]
}

/** The object itself, or the items of a list of any kind. */
function objectsIn(value: unknown, path: Path): { value: Record<string, unknown>; path: Path }[] {
  const object = recordOf(value)
  if (object === undefined || typeof object.kind !== 'string' || typeof object.apiVersion !== 'string') return []
  if (!object.kind.endsWith('List') || !Array.isArray(object.items)) return [{ value: object, path }]
  return object.items.flatMap((item, index) => objectsIn(item, [...path, 'items', index]))
}
