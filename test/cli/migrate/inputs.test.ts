/**
 * Inputs with the fields of what others document and test: the twelve Azure examples of the External Secrets Operator, the
 * cases of its end-to-end tests, the tutorials of akv2k8s, the guides of Arc and GKE. Comments of each file are what is expected:
 * how many objects become files, or by which rules they are left out; and with options for what the manifests leave open.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type ConvertTextOptions, convertText } from './convert-text.ts'

const directory = join(import.meta.dirname, 'inputs')
const names = globSync('*.yaml', { cwd: directory }).toSorted()

const keys = {
  members: ['foo1', 'bar1'],
  'members-alpha': ['alpha-name'],
  'several-from-kv': ['one', 'two'],
}

/** Options by the words of the comment. */
const options: Readonly<Record<string, ConvertTextOptions>> = {
  'with the account': { serviceAccount: 'reader' },
  'with the ids': {
    clientId: '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
    tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  },
  'with the keys': { keys, serviceAccount: 'reader' },
  'with PEM': { acceptPem: true },
  'with the provider': { providerMap: new Map([['gke', 'gcp']]) },
}

test('the inputs are those that are promised', () => {
  const count = (start: string) => names.filter((name) => name.startsWith(start)).length
  assert.deepEqual([count('eso-doc-'), count('eso-e2e-'), count('akv2k8s-'), count('arc-')], [12, 4, 6, 2])
})

describe('a documented input converts, or is left out by the rules that it names', () => {
  for (const name of names) {
    const text = readFileSync(join(directory, name), 'utf8')
    const [title = ''] = /(?<=^# ).*/.exec(text) ?? []
    const expectations = [...text.matchAll(/^# (written|unchanged|left out|with [a-zA-Z ]+): (.+)$/gm)]
    test(`${name}: ${title}`, () => {
      assert.notEqual(expectations.length, 0)
      for (const [, what = '', wanted = ''] of expectations) {
        // convertText checks that lint has no error.
        const { converted, errors } = convertText(text, options[what] ?? {})
        const written = converted.files.length
        const rules = [...new Set(errors.map((one) => one.slice(0, 5)))]
        if (what === 'left out') assert.deepEqual(rules, wanted.split(' '), errors.join('\n'))
        else assert.equal(written, Number(wanted), errors.join('\n'))
        if (what === 'written' || what === 'unchanged') assert.deepEqual(errors, [])
        if (what === 'unchanged') assert.ok(converted.outcomes.every(({ result }) => result === 'unchanged'))
      }
    })
  }
})
