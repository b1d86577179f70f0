import { CodedError } from '#lib'

/** An element of a parsed document. */
export interface XmlElement {
  /** As it was written, a prefix included. */
  name: string
  attributes: Readonly<Record<string, string>>
  children: readonly XmlElement[]
  /** The character data directly inside the element, with entities resolved. */
  text: string
}

export interface XmlLimits {
  /** Longest text, in UTF-16 code units. Default: no limit, for texts that were bounded when they were read. */
  maxLength?: number | undefined
  /** How deep elements nest. Default 32. */
  maxDepth?: number | undefined
  /** How many elements there are. Default 10,000. */
  maxElements?: number | undefined
}

export type XmlErrorCode = 'xml-invalid' | 'xml-too-deep' | 'xml-too-large' | 'xml-too-many-elements'

/** A text that is not acceptable XML. The message gives position and kind of the fault and never quotes the text. */
export class XmlError extends CodedError<XmlErrorCode> {}

/**
 * Parses an XML 1.0 document without document type: elements, attributes, character data, CDATA, the five named entities and
 * character references. Comments and processing instructions are skipped. In time linear in the text's length.
 * https://www.w3.org/TR/xml/
 *
 * @param what names the text in errors, for example `the answer of the queue`.
 * @throws {XmlError}
 */
export function parseXml(what: string, text: string, limits: XmlLimits = {}): XmlElement {
  const { maxLength = Number.POSITIVE_INFINITY } = limits
  if (text.length > maxLength) {
    throw new XmlError('xml-too-large', `${what} has ${text.length} characters, more than the ${maxLength} allowed`)
  }
  const reader = { what, text, at: text.startsWith(byteOrderMark) ? 1 : 0, limits, elements: 0 }
  skipMisc(reader)
  const root = readElements(reader)
  skipMisc(reader)
  if (reader.at < text.length) throw invalid(reader, 'nothing after the document element')
  return root
}

/** The character data of the first child of that name, or undefined. */
export function xmlText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text
}

/**
 * An element with this content, which is escaped when it is a text, and used as it is when it is a list of elements.
 * @throws {XmlError} for a character that XML cannot have.
 */
export function xmlElement(name: string, content: string | readonly string[]): string {
  const inner = typeof content === 'string' ? escapeXml(content) : content.join('')
  return inner === '' ? `<${name} />` : `<${name}>${inner}</${name}>`
}

/** @throws {XmlError} for a character that XML cannot have. */
export function escapeXml(text: string): string {
  if (forbidden.test(text)) throw new XmlError('xml-invalid', 'the text has a character that XML cannot have')
  return text.replace(/[&<>"\r]/g, (character) => escapes[character] ?? character)
}

const byteOrderMark = '\ufeff'
/** A carriage return is escaped because parsers turn it into a line feed. */
const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#xD;',
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/u

interface Reader {
  readonly what: string
  readonly text: string
  at: number
  readonly limits: XmlLimits
  elements: number
}

interface Open {
  name: string
  attributes: Record<string, string>
  children: XmlElement[]
  texts: string[]
}

/** The document element, without recursion: depth costs no stack. */
function readElements(reader: Reader): XmlElement {
  const { text } = reader
  const open: Open[] = []
  for (;;) {
    const inside = open.at(-1)
    if (inside !== undefined) {
      const end = text.indexOf('<', reader.at)
      if (end < 0) throw invalid(reader, 'the end of the document element')
      inside.texts.push(characterData(reader, text.slice(reader.at, end)))
      reader.at = end
    }
    if (inside !== undefined && text.startsWith('<![CDATA[', reader.at)) {
      inside.texts.push(checked(reader, normalized(between(reader, '<![CDATA[', ']]>'))))
      continue
    }
    if (skipOne(reader)) continue
    const closed = text.startsWith('</', reader.at) ? readEndTag(reader, open) : readStartTag(reader, open)
    if (closed === undefined) continue
    const parent = open.at(-1)
    if (parent === undefined) return closed
    parent.children.push(closed)
  }
}

/** Reads `</name>`. Returns the element that it ends. */
function readEndTag(reader: Reader, open: Open[]): XmlElement {
  reader.at += 2
  const element = open.pop()
  if (element === undefined || readName(reader) !== element.name) throw invalid(reader, 'the end of the open element')
  skipSpace(reader)
  expect(reader, '>')
  return { ...element, text: element.texts.join('') }
}

/** Reads `<name a="b">`. Returns the element when it ends at once (`/>`); otherwise it is opened. */
function readStartTag(reader: Reader, open: Open[]): XmlElement | undefined {
  const { maxDepth = 32, maxElements = 10_000 } = reader.limits
  expect(reader, '<')
  const name = readName(reader)
  if (++reader.elements > maxElements) {
    throw new XmlError('xml-too-many-elements', `${reader.what} has more than ${maxElements} elements`)
  }
  if (open.length >= maxDepth) throw new XmlError('xml-too-deep', `${reader.what} nests deeper than ${maxDepth} levels`)
  const attributes = readAttributes(reader)
  if (reader.text.startsWith('/>', reader.at)) {
    reader.at += 2
    return { name, attributes, children: [], text: '' }
  }
  expect(reader, '>')
  open.push({ name, attributes, children: [], texts: [] })
  return undefined
}

function readAttributes(reader: Reader): Record<string, string> {
  const attributes: Record<string, string> = Object.create(null)
  for (;;) {
    const spaced = skipSpace(reader)
    const next = reader.text[reader.at]
    if (next === '>' || next === '/') return attributes
    if (!spaced) throw invalid(reader, 'the end of a tag')
    const name = readName(reader)
    skipSpace(reader)
    expect(reader, '=')
    skipSpace(reader)
    const quote = reader.text[reader.at]
    if (quote !== '"' && quote !== "'") throw invalid(reader, 'a quoted value')
    if (name in attributes) throw invalid(reader, 'each attribute once')
    const value = between(reader, quote, quote)
    if (value.includes('<')) throw invalid(reader, 'a value without <')
    attributes[name] = characterData(reader, value).replace(/[\t\n]/g, ' ')
  }
}

const namePattern = /[\p{L}_:][\p{L}\p{N}_:.-]*/uy

function readName(reader: Reader): string {
  namePattern.lastIndex = reader.at
  const name = namePattern.exec(reader.text)?.[0]
  if (name === undefined) throw invalid(reader, 'a name')
  reader.at += name.length
  return name
}

/** Whitespace, comments, processing instructions and the declaration, before and after the document element. */
function skipMisc(reader: Reader): void {
  do skipSpace(reader)
  while (skipOne(reader))
}

function skipOne(reader: Reader): boolean {
  if (reader.text.startsWith('<!--', reader.at)) between(reader, '<!--', '-->')
  else if (reader.text.startsWith('<?', reader.at)) between(reader, '<?', '?>')
  else if (reader.text.startsWith('<!', reader.at)) throw invalid(reader, 'a document without document type')
  else return false
  return true
}

function skipSpace(reader: Reader): boolean {
  const start = reader.at
  while (/[ \t\r\n]/.test(reader.text[reader.at] ?? '')) reader.at++
  return reader.at > start
}

/** The text between two marks, of which the first is here; goes on behind the second. */
function between(reader: Reader, first: string, last: string): string {
  const start = reader.at + first.length
  const end = reader.text.indexOf(last, start)
  if (end < 0) throw invalid(reader, `${last} somewhere behind`)
  reader.at = end + last.length
  return reader.text.slice(start, end)
}

function expect(reader: Reader, mark: string): void {
  if (!reader.text.startsWith(mark, reader.at)) throw invalid(reader, mark)
  reader.at += mark.length
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function characterData(reader: Reader, raw: string): string {
  const text = normalized(raw)
  if (!text.includes('&')) return checked(reader, text)
  const [first = '', ...rest] = text.split('&')
  const parts = rest.map((part) => {
    const end = part.indexOf(';')
    const character = end < 0 ? undefined : resolved(part.slice(0, end))
    if (character === undefined) throw invalid(reader, 'a known entity after &')
    return checked(reader, character) + checked(reader, part.slice(end + 1))
  })
  return checked(reader, first) + parts.join('')
}

function resolved(entity: string): string | undefined {
  const number = /^#(?:x([\da-fA-F]{1,6})|(\d{1,7}))$/.exec(entity)
  if (number === null) return Object.hasOwn(named, entity) ? named[entity] : undefined
  const code = number[1] === undefined ? Number(number[2]) : Number.parseInt(number[1], 16)
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined
}

/** Line ends are line feeds. https://www.w3.org/TR/xml/#sec-line-ends */
function normalized(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}

function checked(reader: Reader, text: string): string {
  if (forbidden.test(text)) throw invalid(reader, 'characters that XML can have')
  return text
}

function invalid({ what, text, at }: Reader, expected: string): XmlError {
  const before = text.slice(0, at).split('\n')
  const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
  return new XmlError('xml-invalid', `${what} is not valid XML: ${place}: expected ${expected}`)
}
