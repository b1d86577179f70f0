/** Characters that ask for more than one member, or for a calculation. https://github.com/tidwall/gjson/blob/master/SYNTAX.md */
const beyond = /[#*?|@!{}[\]()"'=<>%~:]/

/**
 * The JSONPath of a `property` of an ExternalSecret (gjson), or what in it has no counterpart. A number is the index of a list.
 */
export function jsonPathOf(property: string): { path: string } | { fault: string } {
  const steps: string[] = []
  let step = ''
  for (let index = 0; index < property.length; index++) {
    const letter = property[index] ?? ''
    if (letter === '\\') {
      const next = property[++index]
      if (next === undefined) return { fault: 'ends with a backslash' }
      step += next
    } else if (letter === '.') {
      steps.push(step)
      step = ''
    } else if (beyond.test(letter)) return { fault: `has ${letter}, which selects or calculates` }
    else step += letter
  }
  steps.push(step)
  if (steps.includes('')) return { fault: 'has an empty step' }
  return { path: jsonPathText(steps) }
}

/** `$.database['odd name'][0]` */
function jsonPathText(steps: readonly string[]): string {
  return `$${steps.map(stepText).join('')}`
}

function stepText(step: string): string {
  if (/^\d{1,9}$/.test(step)) return `[${step}]`
  return memberText(step)
}

/** Of a member of an object, whatever its name looks like. */
export function memberText(name: string): string {
  if (/^[A-Za-z_][\w-]*$/.test(name)) return `.${name}`
  return `['${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}']`
}
