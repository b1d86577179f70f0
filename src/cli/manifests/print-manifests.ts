import { Document, isNode, isSeq, type Node, parseDocument, type ToStringOptions, visit } from 'yaml'

/** An object as a command writes it to a file. */
export interface PrintedManifest {
  object: Readonly<Record<string, unknown>>
  /** Text above it, without `#`; its lines stay lines. */
  comment?: string | undefined
}

/**
 * YAML of the objects, fields in their order, texts of several lines as blocks. What YAML 1.1 (kubectl) would read as
 * something else than a text is in quotes. The same objects always give the same bytes.
 */
export function printManifests(manifests: readonly PrintedManifest[]): string {
  return manifests.map(printManifest).join('---\n')
}

function printManifest({ object, comment }: PrintedManifest): string {
  const document = new Document(object, { aliasDuplicateObjects: false, compat: 'yaml-1.1' })
  const text = textOf(document)
  return `${comment === undefined || comment.trim() === '' ? '' : commentLines(comment)}${text}`
}

const format = { lineWidth: 0, blockQuote: 'literal', nullStr: 'null' } as const

/**
 * kubectl reads YAML 1.1, in which U+0085, U+2028 and U+2029 end a line: a text that has one would end there, and what follows
 * would be fields of the object. Other control characters and byte order marks make the file unreadable for it.
 */
const notForKubectl = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g

/** The YAML of a document, with escapes for what kubectl would read as something else. */
function textOf(document: Document, options: ToStringOptions = format): string {
  visit(document, {
    Scalar(_, scalar) {
      const { value } = scalar
      if (typeof value === 'string' && value.search(notForKubectl) >= 0) scalar.type = 'QUOTE_DOUBLE'
    },
  })
  return document
    .toString(options)
    .replaceAll(notForKubectl, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Control characters and other ends of lines would end the comment, or hide what follows. */
export function commentLines(comment: string, indent = ''): string {
  const lines = comment.trimEnd().split(/\r?\n/)
  return lines
    .map((line) => `${indent}${`# ${line.replaceAll(/[\p{Cc}\u2028\u2029\ufeff]/gu, ' ').trim()}`.trimEnd()}\n`)
    .join('')
}

export interface ManifestChange {
  path: readonly (string | number)[]
  /** Undefined removes the field. */
  value: unknown
}

/**
 * The YAML of one document with fields changed: everything else, comments and order included, stays as its author wrote it.
 * Gives back the same text where there is nothing to change. The text has to be valid YAML.
 */
export function editManifest(text: string, changes: readonly ManifestChange[]): string {
  if (changes.length === 0) return text.endsWith('\n') ? text : `${text}\n`
  const document = parseDocument(text, { version: '1.2', schema: 'core', compat: 'yaml-1.1', uniqueKeys: false })
  for (const { path, value } of changes) {
    if (value === undefined) remove(document, path)
    else document.setIn(path, withComments(document.createNode(value), document.getIn(path, true)))
  }
  return textOf(document)
}

/** A comment above the first entry of a list belongs to that entry, and goes with it. */
function remove(document: Document.Parsed, path: ManifestChange['path']): void {
  const list = document.getIn(path.slice(0, -1), true)
  if (isSeq(list) && path.at(-1) === 0) list.commentBefore = null
  document.deleteIn(path)
}

/** The new node, with what the author wrote beside the old one. */
function withComments(node: Node, old: unknown): Node {
  if (!isNode(old)) return node
  const { comment, commentBefore, spaceBefore } = old
  return Object.assign(node, { comment, commentBefore, spaceBefore })
}

/** An entry of a list that is written as text into a parameter of a class, such as `objects`. */
export interface ListEntry {
  fields: Readonly<Record<string, unknown>>
  comment?: string | undefined
}

/** YAML of a list of entries, each below its comment. */
export function printList(entries: readonly ListEntry[]): string {
  return entries
    .map(({ fields, comment }) => {
      const text = textOf(new Document([fields], { aliasDuplicateObjects: false }), { ...format, indentSeq: false })
      return `${comment === undefined || comment.trim() === '' ? '' : commentLines(comment)}${text}`
    })
    .join('')
}
