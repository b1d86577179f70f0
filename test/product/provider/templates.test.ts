import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { failureOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'

async function startShop(t: TestContext) {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  const { mount } = await lab.startProvider()
  const send = async (objects: string, templates: string) => {
    const request = await lab.request({ keyvaultName: 'shop-vault', clientID, objects, templates })
    const attributes = { ...JSON.parse(request.attributes ?? ''), 'keymount.dev/max-age-ms': '0' }
    return mount({ ...request, attributes: JSON.stringify(attributes) })
  }
  const set = (name: string, value: string) => lab.azure.setSecret('shop-vault', name, value)
  return { ...lab, send, set }
}

const objects = `
- { objectName: db-url, objectType: secret }
- { objectName: db-password, objectType: secret, only: templates }
- { objectName: replica, objectType: secret, only: templates, optional: true }
- { select: { name: app, namePattern: app-.* }, stripPrefix: app-, only: templates, optional: true }
`

const templates = `
- fileName: config/app.properties
  filePermission: "0440"
  template: |
    url={{ .db_url }}
    password={{ .db_password | quote "properties" }}
    {{- if .replica }}
    replica={{ .replica }}
    {{- end }}
- fileName: sets.json
  template: '{{ selected "app" | json }}'
`

test('templates are files of the volume, and objects with only: templates are not', async (t) => {
  const { send, set } = await startShop(t)
  await set('db-url', 'jdbc:x')
  await set('db-password', 'a=b\nc')
  await set('app-one', '1')
  const { files, objectVersion } = await send(objects, templates)
  assert.deepEqual(
    files.map(({ path, mode, contents }) => [path, mode, contents.toString()]),
    [
      ['db-url', 0o644, 'jdbc:x'],
      ['config/app.properties', 0o440, 'url=jdbc:x\npassword=a\\=b\\nc\n'],
      ['sets.json', 0o644, '{"one":"1"}'],
    ],
  )
  assert.deepEqual(
    objectVersion.map(({ id }) => id),
    ['secret/db-url', 'template/config/app.properties', 'template/sets.json'],
  )
})

test('a template may have the name of an object that only templates use', async (t) => {
  const { send, set } = await startShop(t)
  await set('db', ' x ')
  const { files } = await send(
    '- { objectName: db, objectType: secret, only: templates }',
    '- { fileName: db, template: "{{ .db | trim }}" }',
  )
  assert.deepEqual(
    files.map(({ path, contents }) => [path, contents.toString()]),
    [['db', 'x']],
  )
})

test('the first variable of a range over a set is the path of the file, not the name of the object', async (t) => {
  const { send, set } = await startShop(t)
  await set('app-mode', 'fast')
  const path = async (fields: string) => {
    const select = `- { select: { name: app, namePattern: app-mode }, only: templates${fields} }`
    const template = '{{ range $path, $value := selected "app" }}{{ $path }}={{ $value }}{{ end }}'
    const { files } = await send(select, `- { fileName: paths, template: '${template}' }`)
    return files.map(({ contents }) => contents.toString()).join()
  }
  assert.equal(await path(''), 'app-mode=fast')
  assert.equal(await path(', stripPrefix: app-'), 'mode=fast')
  assert.equal(await path(', fileName: "settings/{name}"'), 'settings/app-mode=fast')
})

test('the version of a template changes with its text and with each object that it used, and with nothing else', async (t) => {
  const { send, set } = await startShop(t)
  const versions = async (text = templates) => {
    const { objectVersion } = await send(objects, text)
    return Object.fromEntries(objectVersion.map(({ id, version }) => [id, version]))
  }
  const [app, sets] = ['template/config/app.properties', 'template/sets.json']
  await set('db-url', 'jdbc:x')
  await set('db-password', 'one')
  const first = await versions()
  assert.deepEqual(await versions(), first)
  await set('db-password', 'two')
  const second = await versions()
  assert.notEqual(second[app], first[app])
  assert.equal(second[sets], first[sets])
  await set('replica', 'r')
  const third = await versions()
  assert.notEqual(third[app], second[app])
  await set('app-one', '1')
  const fourth = await versions()
  assert.notEqual(fourth[sets], third[sets])
  assert.equal(fourth[app], third[app])
  assert.notEqual((await versions(templates.replace('url=', 'URL=')))[app], fourth[app])
})

test('a template that cannot be filled in names its file, line and what is missing, and no value', async (t) => {
  const { send, set } = await startShop(t)
  await set('db-url', 'jdbc:hunter2')
  await set('db-password', '{"broken": "hunter2"')
  const rows: readonly [template: string, words: RegExp][] = [
    [
      '"a\\n{{ .replica }}"',
      /\[template-failed\].*template "f" \(templates\[0\]\): line 2, column 1: there is no "replica"/,
    ],
    [
      "'{{ .db_password | fromJson | json }}'",
      /\[template-failed\].*line 1, column 19: fromJson: the value is not JSON/,
    ],
    [
      "'{{ index .db_url }}'",
      /\[template-failed\].*line 1, column 1: there is nothing with the name that was computed/,
    ],
    ["'{{ selected .db_url | json }}'", /\[template-failed\].*no select with the name that was computed/],
    [
      "'{{ .db_url | uper }}'",
      /\[parameters-invalid\].*templates\[0\]\.template: line 1, column 14:.*did you mean upper/,
    ],
    [
      '\'{{ selected "apps" | json }}\'',
      /\[parameters-invalid\].*no entry of objects has select.name "apps"; did you mean app/,
    ],
  ]
  for (const [template, words] of rows) {
    const { details } = await failureOf(send(objects, `- { fileName: f, template: ${template} }`))
    assert.match(details, words)
    assert.doesNotMatch(details, /hunter2/)
  }
})
