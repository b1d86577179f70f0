/** Go's `strconv.ParseInt(text, 10, bits)`, because users search for its messages. https://pkg.go.dev/strconv#ParseInt */
export function parseGoInteger(
  text: string,
  bits: 32 | 64,
): { value: number; problem?: undefined } | { value?: undefined; problem: string } {
  const fail = (reason: string) => ({ problem: `strconv.ParseInt: parsing ${JSON.stringify(text)}: ${reason}` })
  if (!/^[+-]?[0-9]+$/.test(text)) return fail('invalid syntax')
  const value = BigInt(text.replace(/^\+/, ''))
  const limit = 1n << BigInt(bits - 1)
  if (value < -limit || value >= limit) return fail('value out of range')
  return { value: Number(value) }
}
