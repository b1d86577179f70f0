import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { z } from 'zod'
import { findProgram } from '../../support/find-program.ts'
import { cliCommand, cliEnvironment, runCli } from '../../support/run-cli.ts'
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

test('a comment without a reason leaves the error, and the status is 1', async (t) => {
  const bad = goodClass.replace('objectType: secret', 'objectType: secrets')
  const bare = await lintFiles(t, { 'a.yaml': `# keymount-lint: ignore KL004\n${bad}` }, '/a.yaml')
  const reasoned = await lintFiles(t, { 'a.yaml': `# keymount-lint: ignore KL004 a test\n${bad}` }, '/a.yaml')
  assert.deepEqual([bare.code, reasoned.code], [1, 0])
  assert.match(bare.stdout, /error KL004: [\s\S]*1 error, 1 warning, /)
})

test('standard input is checked, too', async () => {
  const [program, ...words] = cliCommand
  const output = await new Promise<string>((resolve) => {
    const child = execFile(program, [...words, 'lint', '-'], { env: cliEnvironment() }, (_, stdout) => resolve(stdout))
    child.stdin?.end(goodClass.replace('keyvaultName: shop', 'keyVaultname: shop'))
  })
  assert.match(output, /^<stdin>:8:5: error KL002: /)
})

test('a directory is read with everything below it, without hidden folders, packages, links and charts', async (t) => {
  const bad = goodClass.replace('azure', 'Azure')
  const directory = await temporaryDirectory(t)
  const paths = [
    'a.yaml',
    'b/c/d.yml',
    'e.json',
    '.git/x.yaml',
    'node_modules/x.yaml',
    'chart/Chart.yaml',
    'chart/templates/x.yaml',
    'notes.txt',
  ]
  for (const path of paths) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(
      join(directory, path),
      path === 'e.json' ? '{"a": 1}' : path.endsWith('Chart.yaml') ? 'name: x\n' : bad,
    )
  }
  symlinkSync('/etc', join(directory, 'link'))
  const { stdout, stderr } = await runCli(['lint', directory])
  const files = [...stdout.matchAll(/^(\S+?):\d+:\d+: error/gm)].map(([, file = '']) =>
    file.slice(directory.length + 1),
  )
  assert.deepEqual(files, ['a.yaml', 'b/c/d.yml'])
  assert.match(stderr, /^not checked: 1 chart \(.*\/chart\); --helm renders them$/m)
})

test('a file that cannot be read is an error with status 2, and the others are checked nevertheless', async (t) => {
  const files = {
    'a.yaml': Buffer.from([0xff, 0xfe, 0x61, 0]).toString('latin1'),
    'b.yaml': goodClass,
    'c.yaml': 'a: [',
  }
  const directory = await temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, 'latin1')
  const { code, stdout } = await runCli(['lint', directory])
  assert.equal(code, 2)
  assert.match(stdout, /a\.yaml:1:1: error KL900: is not text: found UTF-16, expected YAML or JSON in UTF-8/)
  assert.match(stdout, /c\.yaml:1:5: error KL900: is not valid YAML: /)
  assert.match(stdout, /^2 errors, 0 warnings, 0 remarks in 1 object$/m)
})

test('a path that does not exist, and a version that is not one, are wrong usage', async () => {
  const missing = await runCli(['lint', '/no/such/file'])
  assert.deepEqual([missing.code, missing.stdout], [2, ''])
  assert.match(missing.stderr, /Cannot read \/no\/such\/file\n +why +there is no such file or directory/)
  const version = await runCli(['lint', '--kubernetes', 'new', '.'])
  assert.deepEqual([version.code, version.stdout], [2, ''])
  assert.match(version.stderr, /Expected a version such as 1\.34/)
})

test('where nothing could be checked, the command reports where it searched, and the status is 2', async (t) => {
  const other = await lintFiles(t, { 'a.yaml': 'a: 1\n' }, '/a.yaml')
  assert.equal(other.code, 2)
  assert.match(
    other.stderr,
    /^nothing was checked: no Kubernetes manifest \(an object with apiVersion and kind\) in 1 file of \/.*\/a\.yaml$/m,
  )
  const empty = await lintFiles(t, { 'notes.txt': 'a\n', 'chart/Chart.yaml': 'name: x\n' }, '/')
  assert.equal(empty.code, 2)
  assert.match(
    empty.stderr,
    /^not checked: 1 chart .*--helm renders them\nnothing was checked: no file that ends in \.yaml, \.yml, \.json in \/\S+$/m,
  )
})

test('the version of Kubernetes decides which API versions are served', async (t) => {
  const job = 'apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: a}\n'
  const found = await lintFiles(t, { 'a.yaml': job }, '/a.yaml', '--kubernetes', '1.25')
  assert.match(
    found.stdout,
    /^a\.yaml:1:1: error KL115: CronJob of batch\/v1beta1 is not served since Kubernetes 1\.25\n +expected: batch\/v1$/m,
  )
  assert.equal((await lintFiles(t, { 'a.yaml': job }, '/a.yaml', '--kubernetes', 'v1.24.3')).code, 0)
})

const twoMistakes = goodClass.replace('azure', 'Azure').replace('- |', '- |\n          objectVersion: "100%: a, b"')

test('-o json has every finding with its place, rule and object', async (t) => {
  const { stdout } = await lintFiles(
    t,
    { 'a.yaml': goodClass.replace('objectType: secret', 'objectType: x') },
    '/a.yaml',
    '-o',
    'json',
  )
  const { version, summary, findings } = JSON.parse(stdout) as {
    version: number
    summary: object
    findings: Record<string, unknown>[]
  }
  assert.deepEqual([version, summary], [1, { objects: 1, unreadable: false, errors: 1, warnings: 0, infos: 0 }])
  const { message, ...rest } = findings[0] ?? {}
  assert.match(String(message), /found "x"/)
  const object = { kind: 'SecretProviderClass', namespace: '', name: 'app' }
  assert.deepEqual(rest, { id: 'KL004', severity: 'error', file: 'a.yaml', line: 15, column: 11, right: '', object })
})

test('-o github prints workflow commands in one line each, with what could end them escaped', async (t) => {
  const { stdout } = await lintFiles(t, { 'a,b.yaml': twoMistakes }, '/a,b.yaml', '-o', 'github')
  assert.match(
    stdout,
    /^::error file=a%2Cb\.yaml,line=6,col=3,title=KL001::spec\.provider: found "Azure"; did you mean azure\?\n/m,
  )
  assert.ok(
    stdout
      .trimEnd()
      .split('\n')
      .every((line) => /^::(error|warning|notice) file=/.test(line)),
    stdout,
  )
})

/** What the standard demands of the objects and members that are written, and no other member: SARIF 2.1.0, sections 3.13 to 3.52. */
const text = z.strictObject({ text: z.string().min(1) })
const level = z.enum(['none', 'note', 'warning', 'error'])
const sarif = z.strictObject({
  $schema: z.url(),
  version: z.literal('2.1.0'),
  runs: z.array(
    z.strictObject({
      tool: z.strictObject({
        driver: z.strictObject({
          name: z.string().min(1),
          semanticVersion: z.string().regex(/^\d+\.\d+\.\d+/),
          informationUri: z.url(),
          rules: z.array(
            z.strictObject({
              id: z.string(),
              name: z.string().regex(/^[A-Z][A-Za-z0-9]+$/),
              shortDescription: text,
              fullDescription: text,
              help: text,
              helpUri: z.url(),
              defaultConfiguration: z.strictObject({ level }),
            }),
          ),
        }),
      }),
      invocations: z.array(z.strictObject({ executionSuccessful: z.boolean() })),
      columnKind: z.enum(['utf16CodeUnits', 'unicodeCodePoints']),
      results: z.array(
        z.strictObject({
          ruleId: z.string(),
          ruleIndex: z.int().min(0),
          level,
          message: text,
          locations: z.tuple([
            z.strictObject({
              physicalLocation: z.strictObject({
                artifactLocation: z.strictObject({ uri: z.string().regex(/^[\w%./~-]+$/) }),
                region: z.strictObject({ startLine: z.int().min(1), startColumn: z.int().min(1) }).optional(),
              }),
              logicalLocations: z
                .array(z.strictObject({ name: z.string(), kind: z.string(), fullyQualifiedName: z.string() }))
                .optional(),
            }),
          ]),
          partialFingerprints: z.record(z.string(), z.string()),
        }),
      ),
    }),
  ),
})

test('-o sarif is a log of SARIF 2.1.0: members, types, and results that refer to their rules', async (t) => {
  const { code, stdout } = await lintFiles(t, { 'a b.yaml': twoMistakes, 'c.yaml': 'a: [' }, '/', '-o', 'sarif')
  assert.equal(code, 2)
  const { runs } = sarif.parse(JSON.parse(stdout))
  const [run] = runs
  assert.ok(run !== undefined)
  assert.deepEqual(run.invocations, [{ executionSuccessful: false }])
  assert.ok(run.results.length >= 2, stdout)
  for (const { ruleId, ruleIndex } of run.results) assert.equal(run.tool.driver.rules[ruleIndex]?.id, ruleId)
  const uris = new Set(run.results.map(({ locations: [one] }) => one.physicalLocation.artifactLocation.uri))
  assert.ok(
    [...uris].some((uri) => uri.endsWith('a%20b.yaml')),
    [...uris].join(),
  )
})

const helm = findProgram('helm', 'KEYMOUNT_HELM')

test('--helm renders a chart, and findings name the template', { skip: helm === undefined && 'no helm' }, async (t) => {
  const directory = await temporaryDirectory(t)
  mkdirSync(join(directory, 'chart/templates'), { recursive: true })
  writeFileSync(join(directory, 'chart/Chart.yaml'), 'apiVersion: v2\nname: shop\nversion: 1.0.0\n')
  writeFileSync(
    join(directory, 'chart/templates/class.yaml'),
    goodClass.replace('keyvaultName: shop', 'keyvaultName: {{ .Values.vault }}'),
  )
  writeFileSync(join(directory, 'values.yaml'), 'vault: https://shop.vault.azure.net\n')
  const env = { PATH: `${dirname(helm ?? '')}:/usr/bin:/bin` }
  const words = ['lint', directory, '--helm', '--values', join(directory, 'values.yaml')]
  const { code, stdout } = await runCli(words, env)
  assert.equal(code, 1)
  assert.match(
    stdout,
    /\/chart\/templates\/class\.yaml \(rendered\):\d+:5: error KL002: .*expected its name alone: shop/,
  )
  const github = (await runCli([...words, '-o', 'github'], env)).stdout
  assert.match(
    github,
    /^::error file=\S+\/chart\/templates\/class\.yaml,title=KL002::.* \(line \d+ of the rendered manifest\)$/m,
  )
  writeFileSync(join(directory, 'chart/templates/class.yaml'), '{{ fail "no vault" }}')
  const failed = await runCli(words, env)
  assert.equal(failed.code, 2)
  assert.match(failed.stderr, /helm template .* failed[\s\S]*no vault/)
})

test('without helm and kubectl on the PATH, charts and kustomizations are reported with what to install', async (t) => {
  const files = { 'chart/Chart.yaml': 'name: x\n', 'k/kustomization.yaml': 'resources: []\n' }
  const directory = await temporaryDirectory(t)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  for (const [option, program] of [
    ['--helm', 'helm'],
    ['--kustomize', 'kubectl'],
  ] as const) {
    const { code, stderr } = await runCli(['lint', directory, option], { PATH: join(directory, 'no-programs') })
    assert.equal(code, 2)
    assert.match(
      stderr,
      new RegExp(`cannot be rendered\\n +why +${program} is not on the PATH\\n +fix +install it: https://`),
    )
  }
})

test('a name of a file is never a line of its own, such as a command of a workflow', async (t) => {
  const directory = await temporaryDirectory(t)
  const name = 'x\n::add-mask::x'
  writeFileSync(join(directory, `${name}.yaml`), goodClass.replace('azure', 'Azure'))
  mkdirSync(join(directory, name))
  writeFileSync(join(directory, name, 'Chart.yaml'), 'name: x\n')
  for (const output of ['text', 'github', 'sarif', 'json']) {
    const { stdout, stderr } = await runCli(['lint', directory, '--output', output])
    assert.match(stderr, /not checked: 1 chart/)
    assert.doesNotMatch(`${stdout}\n${stderr}`, /^::add-mask/m)
  }
  const planned = await runCli(['identity', 'plan', directory, '--issuer', 'https://oidc.example/'])
  assert.doesNotMatch(`${planned.stdout}\n${planned.stderr}`, /^::add-mask/m)
})

test('a directory whose name is an option is a directory for helm and kubectl: --post-renderer=sh would run a program', async (t) => {
  const directory = await temporaryDirectory(t)
  const programs = join(directory, 'programs')
  mkdirSync(programs)
  for (const program of ['helm', 'kubectl'])
    writeFileSync(
      join(programs, program),
      '#!/bin/sh\nprintf "%s\\n" "$@" > "$WORDS"\necho "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"\n',
      { mode: 0o755 },
    )
  for (const [option, name, file] of [
    ['--helm', '--post-renderer=sh', 'Chart.yaml'],
    ['--kustomize', '--load-restrictor=LoadRestrictionsNone', 'kustomization.yaml'],
  ] as const) {
    const here = join(directory, option.slice(2))
    mkdirSync(join(here, name), { recursive: true })
    writeFileSync(join(here, name, file), '{}\n')
    const words = join(directory, `${option.slice(2)}.words`)
    const env = { ...cliEnvironment(), PATH: `${programs}:/usr/bin:/bin`, WORDS: words }
    const [node, ...entry] = cliCommand
    await promisify(execFile)(node, [...entry, 'lint', option, '.'], { cwd: here, env })
    const given = readFileSync(words, 'utf8').split('\n')
    assert.ok(given.includes(`./${name}`), given.join(' '))
    assert.ok(!given.includes(name))
  }
})

const kubectl = findProgram('kubectl', 'KEYMOUNT_KUBECTL')

test('--kustomize renders a kustomization', { skip: kubectl === undefined && 'no kubectl' }, async (t) => {
  const directory = await temporaryDirectory(t)
  writeFileSync(join(directory, 'class.yaml'), goodClass.replace('azure', 'Azure'))
  writeFileSync(join(directory, 'kustomization.yaml'), 'namePrefix: prod-\nresources: [class.yaml]\n')
  const env = { PATH: `${dirname(kubectl ?? '')}:/usr/bin:/bin` }
  const { stdout } = await runCli(['lint', directory, '--kustomize', '-o', 'json'], env)
  const { findings } = JSON.parse(stdout) as { findings: { id: string; file: string; object: { name: string } }[] }
  assert.deepEqual(findings.map(({ id, file, object }) => [id, file, object.name])[0], [
    'KL001',
    `${directory} (rendered)`,
    'prod-app',
  ])
})

test('each rule has a link to its section of the page, once, and SARIF has it too', async (t) => {
  const bad = goodClass.replace('objectType: secret', 'objectType: secrets')
  const files = { 'a.yaml': bad, 'b.yaml': bad }
  const { stdout } = await lintFiles(t, files, '/')
  const links = stdout.match(/^ {4}more: {2}https:\S+$/gm)
  assert.deepEqual(links, ['    more:  https://github.com/keymount/keymount/blob/main/docs/lint.md#kl004'])
  assert.equal(stdout.match(/error KL004/g)?.length, 2)
  const sarif = JSON.parse((await lintFiles(t, files, '/', '-o', 'sarif')).stdout)
  const page = readFileSync(join(import.meta.dirname, '../../../docs/lint.md'), 'utf8')
  for (const { id, helpUri } of sarif.runs[0].tool.driver.rules) {
    assert.match(helpUri, new RegExp(`/docs/lint\\.md#${id.toLowerCase()}$`))
    if (/^KL0/.test(id)) assert.ok(page.includes(`### ${id}\n`), `${id} has no section`)
  }
})

test('a device that never ends is refused by the size of a file, and does not fill the memory', async () => {
  const { code, stdout } = await runCli(['lint', '/dev/zero'])
  assert.equal(code, 2)
  assert.match(stdout, /^\/dev\/zero:1:1: error KL900: /)
})
