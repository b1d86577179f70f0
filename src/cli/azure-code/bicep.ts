/** A value of Bicep; {@link BicepCode} for an expression. */
export type BicepValue =
  | string
  | number
  | boolean
  | BicepCode
  | readonly BicepValue[]
  | { readonly [name: string]: BicepValue | undefined }

/** An expression that is printed as it is. */
export class BicepCode {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export function bicepCode(text: string): BicepCode {
  return new BicepCode(text)
}

/** A text as a literal: nothing in it is interpolated. https://learn.microsoft.com/azure/azure-resource-manager/bicep/data-types#strings */
export function bicepText(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', "'": "\\'", '\\': '\\\\' }
  const escaped = text
    .replaceAll(/[\n\r\t'\\]/g, (character) => escapes[character] ?? '')
    .replaceAll(/\p{Cc}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
    .replaceAll('${', '\\${')
  return `'${escaped}'`
}

/** A value on as many lines as it needs. Members that are undefined are left out. */
export function bicepValue(value: BicepValue, indent = ''): string {
  if (value instanceof BicepCode) return value.text
  if (typeof value === 'string') return bicepText(value)
  if (typeof value !== 'object') return String(value)
  const inner = `${indent}  `
  if (isList(value)) {
    if (value.length === 0) return '[]'
    return `[\n${value.map((one) => `${inner}${bicepValue(one, inner)}\n`).join('')}${indent}]`
  }
  const members = Object.entries(value).flatMap(([name, one]) =>
    one === undefined ? [] : [`${inner}${memberName(name)}: ${bicepValue(one, inner)}\n`],
  )
  return members.length === 0 ? '{}' : `{\n${members.join('')}${indent}}`
}

function isList(value: object): value is readonly BicepValue[] {
  return Array.isArray(value)
}

function memberName(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : bicepText(name)
}

export interface BicepResource {
  symbol: string
  /** With its API version. */
  type: string
  isExisting?: boolean | undefined
  /** `for` clause without brackets, for example `name in vaults`. */
  each?: string | undefined
  decorators?: readonly string[] | undefined
  body: Readonly<Record<string, BicepValue | undefined>>
}

export function bicepResource({ symbol, type, isExisting, each, decorators = [], body }: BicepResource): string {
  const head = `resource ${symbol} ${bicepText(type)}${isExisting === true ? ' existing' : ''} =`
  const value = bicepValue(body)
  const text = each === undefined ? `${head} ${value}` : `${head} [for ${each}: ${value}]`
  return [...decorators, text].join('\n')
}

export interface BicepModule {
  symbol: string
  file: string
  body: Readonly<Record<string, BicepValue | undefined>>
}

export function bicepModule({ symbol, file, body }: BicepModule): string {
  return `module ${symbol} ${bicepText(file)} = ${bicepValue(body)}`
}

/** A template: its parts with an empty line between. */
export function bicepFile(...parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`
}
