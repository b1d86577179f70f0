import assert from 'node:assert/strict'
import { SecretValue } from '#lib'
import { parseTemplate, renderTemplate, templateFiles, templateLimits, templateNames } from '#lib/template'
import { refuses } from '../expected-error.ts'

const marker = 'VALUE-of-a-secret'
const certificate = '-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n'

/** A template, then a zero byte, then the contents of one of its files. */
export function fuzz(data: Buffer): void {
  const at = data.indexOf(0)
  const [text, value] = at < 0 ? [data, data] : [data.subarray(0, at), data.subarray(at + 1)]
  const contents = {
    a: value,
    'b-c': Buffer.from(marker),
    json: Buffer.from('{"a":[1,{"b":"x"}]}'),
    pem: Buffer.from(certificate),
  }
  const files = templateFiles(
    new Map(Object.entries(contents).map(([name, bytes]) => [name, SecretValue.of(bytes)])),
    new Map([['s', ['a', 'b-c']]]),
  )
  refuses(() => {
    const template = parseTemplate(text.toString('utf8'))
    templateNames(template)
    const { contents: output } = renderTemplate(template, files)
    assert.ok(output.size <= templateLimits.templateOutputBytes.value, 'more output than a template may write')
  }, hidesValue)
}

/** Whether it is a coded error is the caller's question; a message with a value is never right. */
function hidesValue(error: unknown): boolean {
  assert.ok(!(error instanceof Error) || !error.message.includes(marker), 'an error has the value of a file')
  return false
}
