/** `keymount migrate` as a user calls it: its output, directory, formats and exit status. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stringify } from 'yaml'
import { valueAt } from '#lib/formats'
import { findKubectl, kubectlFor, kubectlMissing } from '../../support/kubectl.ts'
import { runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const store = `apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: { name: store, namespace: web }
spec:
  provider:
    azurekv:
      authType: WorkloadIdentity
      vaultUrl: https://shop.vault.azure.net
      tenantId: 72f988bf-86f1-41af-91ab-2d7cd011db47
      serviceAccountRef: { name: shop }
---
`

const good = `${store}# read by the API
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: { name: db, namespace: web }
spec:
  secretStoreRef: { name: store }
  data:
    - secretKey: password
      remoteRef: { key: db }
`

const bad = good.replace('remoteRef: { key: db }', 'remoteRef: { key: db, decodingStrategy: Auto }')

function filesOf(t: TestContext, files: Record<string, string>) {
  const directory = temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return { directory, out: join(directory, 'out') }
}

test('everything converts: status 0, a directory with manifests, REPORT.md and the pairs of Secrets', async (t) => {
  const { directory, out } = filesOf(t, { 'in.yaml': good })
  const { code, stdout, stderr } = await runCli(['migrate', '-o', out, join(directory, 'in.yaml')])
  assert.deepEqual([code, stdout], [0, '1 converted, 1 merged into others, 0 left out of 2 objects\n'])
  assert.equal(stderr, `written: ${out} (REPORT.md has what to do next)\n`)
  assert.deepEqual(readdirSync(out, { recursive: true }).map(String).toSorted(), [
    'REPORT.md',
    'secrets.tsv',
    'web',
    'web/externalsecret-db.yaml',
  ])
  assert.match(readFileSync(join(out, 'web/externalsecret-db.yaml'), 'utf8'), /^# read by the API\napiVersion/)
  assert.equal(
    readFileSync(join(out, 'secrets.tsv'), 'utf8'),
    ['namespace', 'old', 'new\nweb', 'db', 'db\n'].join('\t'),
  )
  assert.match(
    readFileSync(join(out, 'REPORT.md'), 'utf8'),
    /have the names of the old ones[\s\S]*kubectl apply -R -f /,
  )
})

test('what kubectl reads in the output has the kinds that were written, whatever the texts of the input hold', {
  skip: findKubectl() === undefined && kubectlMissing,
}, async (t) => {
  for (const end of ['\u0085', '\u2028', '\u2029']) {
    const grant = [
      'kind: ClusterRoleBinding',
      'apiVersion: rbac.authorization.k8s.io/v1',
      'roleRef: {name: cluster-admin}',
    ]
    const text = `one\ntwo${end}${grant.join(end)}${end}`
    const template = JSON.stringify({ metadata: { annotations: { note: text } } })
    const hostile = good.replace(
      '  data:',
      `  target: { template: ${template.replaceAll(end, escaped(end))} }\n  data:`,
    )
    const { directory, out } = filesOf(t, { 'in.yaml': hostile })
    const { code, stderr } = await runCli(['migrate', '-o', out, join(directory, 'in.yaml')])
    assert.equal(code, 0, stderr)
    const kubectl = kubectlFor(findKubectl() ?? '', { kubeconfig: '/dev/null', cacheDir: directory })
    const read = await kubectl(['label', '--local', '-R', '-f', out, 'a=b', '-o', 'json'])
    assert.equal(read.status, 0, read.stderr)
    const objects = JSON.parse(`[${read.stdout.replaceAll(/^\}\n\{/gm, '},{')}]`) as unknown[]
    assert.deepEqual(
      objects.map((one) => [valueAt(one, 'kind'), valueAt(one, 'roleRef')]),
      [
        ['SecretProviderClass', undefined],
        ['SecretSync', undefined],
      ],
    )
    assert.equal(valueAt(objects[1], 'spec', 'secretObject', 'annotations', 'note'), text)
  }
})

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

test('something is left out: status 1, the place and the reason, and no file of it', async (t) => {
  const { directory, out } = filesOf(t, { 'in.yaml': bad })
  const { code, stdout } = await runCli(['migrate', '-o', out, join(directory, 'in.yaml')])
  assert.equal(code, 1)
  assert.match(stdout, /in\.yaml:20:29: error KM115: ExternalSecret web\/db: decodingStrategy Auto\n {4}expected: /)
  assert.deepEqual(readdirSync(out), ['REPORT.md'])
})

test('json and sarif give the same findings for programs', async (t) => {
  const { directory } = filesOf(t, { 'in.yaml': bad })
  const file = join(directory, 'in.yaml')
  const json = await runCli(['migrate', '--report', 'json', '-o', join(directory, 'a'), file])
  const { summary, findings } = JSON.parse(json.stdout)
  assert.deepEqual(summary, { objects: 2, converted: 0, unchanged: 0, absorbed: 1, leftOut: 1 })
  const sarif = JSON.parse((await runCli(['migrate', '--report', 'sarif', '-o', join(directory, 'b'), file])).stdout)
  const [run] = sarif.runs
  assert.equal(run.tool.driver.name, 'keymount migrate')
  assert.deepEqual(
    run.results.map(({ ruleId, locations }: never) => [
      ruleId,
      (locations as { physicalLocation: { region: object } }[])[0]?.physicalLocation.region,
    ]),
    findings.map(({ id, line, column }: never) => [id, { startLine: line, startColumn: column }]),
  )
  assert.equal(run.tool.driver.rules[run.results[0].ruleIndex].id, 'KM115')
})

test('a directory with something in it is never overwritten, and a failure leaves no half of one', async (t) => {
  const { directory, out } = filesOf(t, { 'in.yaml': good })
  mkdirSync(out)
  writeFileSync(join(out, 'mine'), 'edited')
  const refused = await runCli(['migrate', '-o', out, join(directory, 'in.yaml')])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /is not empty/)
  assert.deepEqual([readdirSync(out), readFileSync(join(out, 'mine'), 'utf8')], [['mine'], 'edited'])
  const onFile = await runCli(['migrate', '-o', join(out, 'mine'), join(directory, 'in.yaml')])
  assert.match(onFile.stderr, /is not a directory/)
  const below = await runCli(['migrate', '-o', join(out, 'mine', 'x'), join(directory, 'in.yaml')])
  assert.notEqual(below.code, 0)
  assert.deepEqual(readdirSync(directory).toSorted(), ['in.yaml', 'out'])
})

test('an empty directory is written into, and the output of two runs is equal byte for byte', async (t) => {
  const { directory, out } = filesOf(t, { 'in.yaml': good })
  mkdirSync(out)
  const again = join(directory, 'again')
  for (const target of [out, again]) await runCli(['migrate', '-o', target, join(directory, 'in.yaml')])
  const all = (of: string) =>
    readdirSync(of, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => [one.name, readFileSync(join(one.parentPath, one.name), 'utf8').replaceAll(of, 'OUT')])
      .toSorted()
  assert.deepEqual(all(again), all(out))
})

test('values of the input are in no report', async (t) => {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'sp' }, stringData: { ClientSecret: 'hunter2' } }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'web' },
    spec: {
      containers: [
        {
          name: 'web',
          env: [
            { name: 'A', value: 'hunter2' },
            { name: 'B', value: 'gone@azurekeyvault' },
          ],
        },
      ],
    },
  }
  const data = { template: { data: { a: 'hunter2 {{ .b | hunter }}' } }, hunter2: 'hunter2' }
  const odd = {
    apiVersion: 'external-secrets.io/v1',
    kind: 'ExternalSecret',
    metadata: { name: 'x' },
    spec: { target: data },
  }
  const text = [secret, pod, odd].map((one) => stringify(one)).join('---\n')
  for (const report of ['text', 'json', 'sarif']) {
    const { directory, out } = filesOf(t, { 'in.yaml': text })
    const { stdout, stderr, code } = await runCli([
      'migrate',
      '--report',
      report,
      '-o',
      out,
      join(directory, 'in.yaml'),
    ])
    assert.equal(code, 1)
    const all = stdout + stderr + readFileSync(join(out, 'REPORT.md'), 'utf8')
    // The name of a field is not a value.
    assert.doesNotMatch(all.replaceAll('spec.target.hunter2', ''), /hunter2/)
  }
})

test('check counts and explains, and writes nothing', async (t) => {
  const { directory } = filesOf(t, { 'in.yaml': bad })
  const { code, stdout } = await runCli(['migrate', 'check', join(directory, 'in.yaml')])
  assert.equal(code, 1)
  assert.match(
    stdout,
    /ExternalSecret: 1 \(1 left out\)[\s\S]*KM115 decoding has no counterpart: 1 object \(ExternalSecret web\/db\)/,
  )
  assert.deepEqual(readdirSync(directory), ['in.yaml'])
  const json = await runCli(['migrate', 'check', '--json', join(directory, 'in.yaml')])
  assert.equal(JSON.parse(json.stdout).reasons[0].id, 'KM115')
})

test('what cannot be read is reported with status 2, and the rest is converted', async (t) => {
  const { directory, out } = filesOf(t, { 'a.yaml': good, 'b.yaml': 'a: [', 'c.yaml': 'x: 1\n', 'd.yaml': '\0' })
  const { code, stderr } = await runCli(['migrate', '-o', out, directory])
  assert.equal(code, 2)
  assert.match(stderr, /not read: .*b\.yaml:1:\d+: is not valid YAML/)
  assert.match(stderr, /not read: .*d\.yaml:1:1: is not text/)
  assert.ok(readdirSync(out).includes('web'))
})

test('wrong usage is explained', async (t) => {
  const { directory, out } = filesOf(t, { 'in.yaml': good })
  const file = join(directory, 'in.yaml')
  for (const [words, message] of [
    [['-o', out], /There is nothing to read/],
    [['-o', out, '--cluster', file], /cannot be read together/],
    [[file], /directory to write is not named/],
    [['-o', out, join(directory, 'none')], /no such file/],
    [['-o', out, '--suffix=_x', file], /Expected lower case letters/],
    [['-o', out, '--from', 'vault', file], /Allowed choices are auto, upstream, eso/],
    [['-o', out, '--provider-map', 'x', file], /Expected OLD=NEW/],
  ] as const) {
    const { code, stderr } = await runCli(['migrate', ...words])
    assert.deepEqual([code, message.test(stderr)], [2, true], stderr)
  }
})

test('huge and hostile input is bounded: 5,000 objects, aliases, deep nesting, long names', async (t) => {
  const one = (index: number) => good.slice(store.length).replace('name: db', `name: db-${index}`)
  const many = store + Array.from({ length: 5000 }, (_, index) => one(index)).join('---\n')
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
    .split('')
    .map((letter, index) => `${letter}: &${letter} [${Array(9).fill(`*${'abcdefg'[index]}`).join(',')}]`)
    .join('\n')}\napiVersion: spv.no/v1\nkind: AzureKeyVaultSecret\n`
  const deep = `apiVersion: spv.no/v1\nkind: AzureKeyVaultSecret\nspec: ${'['.repeat(5000)}`
  const long = `apiVersion: spv.no/v1\nkind: AzureKeyVaultSecret\nmetadata: {name: "${'x'.repeat(100_000)}"}\n`
  const { directory, out } = filesOf(t, { 'a.yaml': many, 'b.yaml': bomb, 'c.yaml': deep, 'd.yaml': long })
  const { code, stdout } = await runCli(['migrate', '-o', out, '--report', 'json', directory])
  assert.equal(code, 2)
  const { summary, findings } = JSON.parse(stdout)
  assert.equal(summary.converted, 5000)
  assert.deepEqual(
    findings.map(({ id }: { id: string }) => id),
    ['KM004'],
  )
})

test('compare refuses names that are not names of objects, with line and field', async (t) => {
  const directory = await temporaryDirectory(t)
  const compare = async (text: string) => {
    writeFileSync(join(directory, 'secrets.tsv'), `${['namespace', 'old', 'new'].join('\t')}\n${text}`)
    const { code, stderr } = await runCli(['migrate', 'compare', directory])
    assert.equal(code, 2)
    return stderr
  }
  assert.match(await compare('..\ta\tb\n'), /line 2, namespace: found "\.\.", expected lower case letters/)
  assert.match(await compare('shop\ta\tb\nshop\t..\tb\n'), /line 3, old name: found "\.\."/)
  assert.match(await compare('shop\ta\t../../x\n'), /line 2, new name: found "\.\.\/\.\.\/x"/)
  assert.match(await compare('shop\ta\n'), /line 2: expected namespace, old and new name, separated by tabs/)
  assert.match(await compare(''), /separated by tabs; found none/)
  for (const [pair, text] of [
    ['..=b', /OLD: found "\.\."/],
    ['a=.', /NEW: found "\."/],
    ['nothing', /it is not a pair OLD=NEW/],
  ] as const) {
    const { code, stderr } = await runCli(['migrate', 'compare', pair])
    assert.equal(code, 2)
    assert.match(stderr, text)
  }
})
