import { bytesOfValue, type FunctionContext } from './function-context.ts'
import { quotedJson } from './quote.ts'
import { type TemplateValue, toBytes } from './template-value.ts'

/** Words that some reader of YAML takes for something else than a text. */
const notPlain = /^(y|n|yes|no|on|off|true|false|null)$/i

/** A value as YAML without a final line end: texts in double quotes, so that none is read as a number or a date. */
export function printYaml(context: FunctionContext, value: TemplateValue): string {
  return block(context, value, '').trimStart()
}

/** What follows `key:` or `-`: on the same line for a scalar, on lines of its own for the rest. */
function block(context: FunctionContext, value: TemplateValue, pad: string): string {
  const content = value.revealContent()
  switch (content.kind) {
    case 'null':
      return ' null'
    case 'number':
    case 'boolean':
      return ` ${context.text(value)}`
    case 'list':
      if (content.items.length === 0) return ' []'
      return content.items.map((item) => line(context, pad, '-', item)).join('')
    case 'map':
      if (content.entries.size === 0) return ' {}'
      return [...content.entries].map(([key, inner]) => line(context, pad, `${keyText(key)}:`, inner)).join('')
    default:
      return ` ${quotedJson(context.text(value))}`
  }
}

function line(context: FunctionContext, pad: string, start: string, value: TemplateValue): string {
  context.spend(pad.length + start.length + bytesOfValue)
  return `\n${pad}${start}${block(context, value, `${pad}  `)}`
}

function keyText(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key) && !notPlain.test(key) ? key : quotedJson(toBytes(key))
}
