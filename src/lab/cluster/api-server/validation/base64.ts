const digit = /[A-Za-z0-9+/]/
const isBreak = (char: string | undefined) => char === '\n' || char === '\r'

/**
 * Where standard base64 with padding is wrong, by the rules of Go's decoder: line breaks are skipped, and a text that ends
 * within a group is wrong at the beginning of the group. Undefined when the text is right.
 */
export function base64Fault(text: string): number | undefined {
  const skipBreaks = (at: number) => {
    let next = at
    while (isBreak(text[next])) next++
    return next
  }
  let at = skipBreaks(0)
  let digits = 0
  while (at < text.length) {
    const char = text[at] ?? ''
    if (digit.test(char)) {
      digits = (digits + 1) % 4
      at = skipBreaks(at + 1)
      continue
    }
    if (char !== '=' || digits < 2) return at
    const second = skipBreaks(at + 1)
    if (digits === 2 && second === text.length) return text.length
    if (digits === 2 && text[second] !== '=') return second - 1
    const end = digits === 2 ? skipBreaks(second + 1) : second
    return end < text.length ? end : undefined
  }
  return digits === 0 ? undefined : at - digits
}
