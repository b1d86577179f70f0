import assert from 'node:assert/strict'
import { compileNamePattern } from '#azure/class'

/** A pattern of a select, then a zero byte, then the name of an object. */
export function fuzz(data: Buffer): void {
  const at = data.indexOf(0)
  const [pattern, name] = at < 0 ? [data, data] : [data.subarray(0, at), data.subarray(at + 1)]
  const compiled = compileNamePattern(pattern.toString('utf8'))
  if ('fault' in compiled) return
  const text = name.toString('utf8').slice(0, 127)
  let steps = 0
  compiled.matches(text, (taken) => {
    steps += taken
  })
  assert.ok(steps <= 4000 * (text.length + 1), 'more steps than states and letters allow')
}
