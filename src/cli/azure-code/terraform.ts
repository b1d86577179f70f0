import { type CodeValue, Expression, escapeText, isList } from './code.ts'

/** A text as a literal: nothing in it is interpolated. https://developer.hashicorp.com/terraform/language/expressions/strings */
function terraformText(text: string): string {
  const escaped = escapeText(text, '"', (hex) => `\\u${hex.padStart(4, '0')}`)
  return `"${escaped.replaceAll(/[$%](?=\{)/g, (sign) => sign + sign)}"`
}

/** A value, with an object on as many lines as it has members. Members that are undefined are left out. */
export function terraformValue(value: CodeValue, indent = ''): string {
  if (value instanceof Expression) return value.text
  if (typeof value === 'string') return terraformText(value)
  if (typeof value !== 'object') return String(value)
  if (isList(value)) return `[${value.map((one) => terraformValue(one, indent)).join(', ')}]`
  const lines = attributes(value, `${indent}  `)
  return lines.length === 0 ? '{}' : `{\n${lines.map((line) => `${line}\n`).join('')}${indent}}`
}

/** `name = value` with the signs of neighbours below each other, as `terraform fmt` has them. */
function attributes(members: Readonly<Record<string, CodeValue | undefined>>, indent: string): string[] {
  const rows = Object.entries(members).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name: attributeName(name), text: terraformValue(value, indent) }],
  )
  const lines: string[] = []
  let run: typeof rows = []
  const endRun = () => {
    const width = run.reduce((widest, { name }) => Math.max(widest, name.length), 0)
    lines.push(...run.map(({ name, text }) => `${indent}${name.padEnd(width)} = ${text}`))
    run = []
  }
  for (const row of rows) {
    if (!row.text.includes('\n')) {
      run.push(row)
      continue
    }
    endRun()
    lines.push(`${indent}${row.name} = ${row.text}`)
  }
  endRun()
  return lines
}

function attributeName(name: string): string {
  return /^[A-Za-z_][\w-]*$/.test(name) ? name : terraformText(name)
}

export interface TerraformBlock {
  /** `resource`, `data`, `variable`, … */
  type: string
  labels?: readonly string[] | undefined
  attributes?: Readonly<Record<string, CodeValue | undefined>> | undefined
  blocks?: readonly TerraformBlock[] | undefined
}

export function terraformBlock(
  { type, labels = [], attributes: members = {}, blocks = [] }: TerraformBlock,
  indent = '',
): string {
  const head = [type, ...labels.map(terraformText)].join(' ')
  const lines = [
    ...attributes(members, `${indent}  `),
    ...blocks.map((block) => `${indent}  ${terraformBlock(block, `${indent}  `)}`),
  ]
  return lines.length === 0 ? `${head} {}` : `${head} {\n${lines.map((line) => `${line}\n`).join('')}${indent}}`
}

/** A resource of the azurerm provider. @param type without `azurerm_`. */
export function azurermResource(
  type: string,
  label: string,
  attributes: TerraformBlock['attributes'],
  blocks: TerraformBlock['blocks'] = [],
): string {
  return terraformBlock({ type: 'resource', labels: [`azurerm_${type}`, label], attributes, blocks })
}

/** What exists already. @param type without `azurerm_`. */
export function azurermData(type: string, label: string, attributes: TerraformBlock['attributes']): string {
  return terraformBlock({ type: 'data', labels: [`azurerm_${type}`, label], attributes })
}
