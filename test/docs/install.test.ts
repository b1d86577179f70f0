/** What docs/install.md claims about images. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { platformOfMachine } from '#packaging/image'
import { needsHelm, template } from '../packaging/charts/helm.ts'
import { needsRegistry, startRegistry } from '../support/docker-registry.ts'
import { runCli } from '../support/run-cli.ts'

const root = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const page = readFileSync(join(root, 'docs/install.md'), 'utf8')

test(
  'the values of docs/install.md replace every image of the chart, also with everything enabled',
  needsHelm,
  async () => {
    const [, values = ''] = /<<'END'\n([\s\S]*?)END\n/.exec(page) ?? []
    const objects = await template({
      ...(parse(values) as object),
      webhook: { enabled: true, azureTenantID: 'contoso.com' },
      sync: { enabled: true },
      restart: { enabled: true },
      podIdentity: { enabled: true },
      uninstallCheck: { enabled: true },
    })
    const text = JSON.stringify(objects)
    const images = [...text.matchAll(/"image":"([^"]*)"|"name":"PROXY_(?:INIT_)?IMAGE","value":"([^"]*)"/g)]
    assert.ok(images.length >= 9, `found only ${images.length} images`)
    assert.deepEqual(
      [...new Set(images.map(([, image, ofSidecar]) => image ?? ofSidecar))],
      [`registry.example.com/platform/keymount:${version}`],
    )
    assert.equal(text.includes('ghcr.io'), false)
  },
)

test('the commands that fill a registry of your own do it, in the order of the page', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const variables: Record<string, string> = { REGISTRY: host, VERSION: version }
  const commands = [...page.matchAll(/^npx keymount (.+)$/gm)]
    .map(([, words = '']) => words.replaceAll('"', '').replace(/\$(\w+)/g, (_, name: string) => variables[name] ?? ''))
    .filter((words) => / push /.test(words))
  assert.equal(commands.length, 2)
  // The registry of this test has no TLS, and this machine may lack the emulator.
  const more = [['--plain-http', '--platform', platformOfMachine().name], ['--plain-http']]
  for (const [index, command] of commands.entries()) {
    const { code, stderr } = await runCli([...command.split(' '), ...(more[index] ?? [])])
    assert.equal(code, 0, stderr)
  }
  const tags = await fetch(`http://${host}/v2/charts/keymount/tags/list`)
  assert.deepEqual(await tags.json(), { name: 'charts/keymount', tags: [version] })
})
