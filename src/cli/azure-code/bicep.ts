import { type CodeValue, Expression, escapeText, isList } from './code.ts'

/** A text as a literal: nothing in it is interpolated. https://learn.microsoft.com/azure/azure-resource-manager/bicep/data-types#strings */
export function bicepText(text: string): string {
  const escaped = escapeText(text, "'", (hex) => `\\u{${hex}}`)
  return `'${escaped.replaceAll('${', '\\${')}'`
}

/** A value on as many lines as it needs. Members that are undefined are left out. */
export function bicepValue(value: CodeValue, indent = ''): string {
  if (value instanceof Expression) return value.text
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
  body: Readonly<Record<string, CodeValue | undefined>>
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
  body: Readonly<Record<string, CodeValue | undefined>>
}

export function bicepModule({ symbol, file, body }: BicepModule): string {
  return `module ${symbol} ${bicepText(file)} = ${bicepValue(body)}`
}
