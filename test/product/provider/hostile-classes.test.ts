import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'

test('a class whose patterns or templates are made to be slow fails by itself, and another mounts meanwhile', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  const names = Array.from({ length: 60 }, (_, index) => `${'ab'.repeat(60)}-${index}`)
  await Promise.all(names.map((name) => lab.azure.setSecret('shop-vault', name, 'x')))
  await lab.azure.setSecret('shop-vault', 'db', 'hunter2')
  await lab.azure.setSecret('shop-vault', 'list', JSON.stringify(Array.from({ length: 5000 }, (_, index) => index)))
  await lab.azure.setSecret('shop-vault', 'short', JSON.stringify(Array.from({ length: 1500 }, (_, index) => index)))
  const { mount } = await lab.startProvider()
  const send = async (objects: string, templates = '') =>
    mount(
      await lab.request({ keyvaultName: 'shop-vault', clientID, objects, ...(templates === '' ? {} : { templates }) }),
    )

  const slow = '- { select: { namePattern: "(a|b)*a(a|b){100}.*" }, optional: true }\n'.repeat(20)
  const nested = '{{ range $a := fromJson .list }}{{ range $b := fromJson $.list }}x{{ end }}{{ end }}'
  const both = '- { objectName: list, objectType: secret }'
  const [patterns, template, files] = await Promise.all([
    failureOf(send(slow)),
    failureOf(send(both, `- { fileName: f, template: '${nested}' }`)),
    send('- { objectName: db, objectType: secret }').then((answer) => answer.files),
  ])
  assert.match(
    patterns.details,
    /\[select-too-many\] objects\[\d+\]\.select: the patterns of the class take more than the 10,000,000 steps/,
  )
  assert.match(
    template.details,
    /\[template-failed\] template "f" \(templates\[0\]\): line 1, column \d+: the template takes more than the 10,000 steps/,
  )
  assert.equal(files[0]?.contents.toString(), 'hunter2')

  const some = `- { fileName: FILE, template: '{{ range fromJson .short }}x{{ end }}' }`
  const many = Array.from({ length: 20 }, (_, index) => some.replace('FILE', `f${index}`)).join('\n')
  const { details } = await failureOf(send('- { objectName: short, objectType: secret }', many))
  assert.match(details, /\[template-failed\].*steps of all templates of a class: found \d/)
})
