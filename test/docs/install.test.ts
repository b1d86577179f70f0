/** What docs/install.md claims about images. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { needsHelm, template } from '../packaging/charts/helm.ts'

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
