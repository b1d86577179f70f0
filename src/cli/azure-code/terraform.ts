/** A value of Terraform's language; {@link TerraformCode} for an expression. */
export type TerraformValue =
  | string
  | number
  | boolean
  | TerraformCode
  | readonly TerraformValue[]
  | { readonly [name: string]: TerraformValue | undefined }

/** An expression that is printed as it is. */
export class TerraformCode {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export function terraformCode(text: string): TerraformCode {
  return new TerraformCode(text)
}

/** A text as a literal: nothing in it is interpolated. https://developer.hashicorp.com/terraform/language/expressions/strings */
export function terraformText(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', '\\': '\\\\' }
  const escaped = text
    .replaceAll(/[\n\r\t"\\]/g, (character) => escapes[character] ?? '')
    .replaceAll(/\p{Cc}/gu, (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`)
    .replaceAll(/[$%](?=\{)/g, (sign) => sign + sign)
  return `"${escaped}"`
}

/** A value, with an object on as many lines as it has members. Members that are undefined are left out. */
export function terraformValue(value: TerraformValue, indent = ''): string {
  if (value instanceof TerraformCode) return value.text
  if (typeof value === 'string') return terraformText(value)
  if (typeof value !== 'object') return String(value)
  if (isList(value)) return `[${value.map((one) => terraformValue(one, indent)).join(', ')}]`
  const lines = attributes(value, `${indent}  `)
  return lines.length === 0 ? '{}' : `{\n${lines.map((line) => `${line}\n`).join('')}${indent}}`
}

function isList(value: object): value is readonly TerraformValue[] {
  return Array.isArray(value)
}

/** `name = value` with the signs of neighbours below each other, as `terraform fmt` has them. */
function attributes(members: Readonly<Record<string, TerraformValue | undefined>>, indent: string): string[] {
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
  attributes?: Readonly<Record<string, TerraformValue | undefined>> | undefined
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

/** A configuration: its parts with an empty line between. */
export function terraformFile(...parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`
}
