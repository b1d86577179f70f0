import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const goodClass = `apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: app
spec:
  provider: azure
  parameters:
    keyvaultName: shop
    tenantID: contoso.com
    clientID: 3f2504e0-4f89-11d3-9a0c-0305e82c3301
    objects: |
      array:
        - |
          objectName: db
          objectType: secret
`

/** Writes files, and runs `keymount lint` in their directory. */
async function lintFiles(
  t: Parameters<typeof temporaryDirectory>[0],
  files: Record<string, string>,
  ...words: string[]
) {
  const directory = await temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  const result = await runCli(['lint', ...words.map((word) => (word.startsWith('/') ? join(directory, word) : word))])
  return { ...result, stdout: result.stdout.replaceAll(`${directory}/`, '') }
}

test('a class without mistakes has no findings, and the status is 0', async (t) => {
  const { code, stdout, stderr } = await lintFiles(t, { 'a.yaml': goodClass }, '/a.yaml')
  assert.deepEqual([code, stdout, stderr], [0, '0 errors, 0 warnings, 0 remarks in 1 object\n', ''])
})

test('a mistake inside the text of objects is found in the line of the file, with status 1', async (t) => {
  const { code, stdout } = await lintFiles(
    t,
    { 'a.yaml': goodClass.replace('objectType: secret', 'objectType: secrets') },
    '/',
  )
  assert.equal(code, 1)
  assert.match(stdout, /^a\.yaml:15:11: error KL004: .*found "secrets"; did you mean secret\?/)
})

test('warnings are errors with --strict only', async (t) => {
  const warned = goodClass.replace('secrets-store.csi.x-k8s.io/v1', 'secrets-store.csi.x-k8s.io/v1alpha1')
  const lax = await lintFiles(t, { 'a.yaml': warned }, '/a.yaml')
  const strict = await lintFiles(t, { 'a.yaml': warned }, '/a.yaml', '--strict')
  assert.deepEqual([lax.code, strict.code], [0, 1])
  assert.match(lax.stdout, /^a\.yaml:1:1: warning KL007: /)
})
