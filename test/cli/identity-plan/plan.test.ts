import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { recordOf } from '#lib/formats'
import { checkAzurerm } from '../../support/azurerm.ts'
import { parseBicep, parseTerraform } from '../../support/grammars.ts'
import { loopbackPort } from '../../support/loopback-port.ts'
import { cliCommand, cliEnvironment, runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { fleetFile, fleetManifests } from './fleets.ts'

const shop = {
  clientId: '5E0D0000-0000-4000-8000-00000000000A',
  tenantId: '61630000-0000-4000-8000-00000000000b',
  vault: 'shop-prod',
}
const issuer = ['--issuer', 'https://oidc.example/prod/']
const threeNamespaces = ['bank', 'blog', 'shop']

interface Fleet {
  manifests: string
  clusters?: string
  flags: readonly string[]
}

const fleets: Readonly<Record<string, Fleet>> = {
  '1x15': { manifests: fleetManifests({ ...shop, accounts: 15, namespaces: ['shop'] }), flags: issuer },
  '1x45': {
    manifests: fleetManifests({ ...shop, accounts: 45, namespaces: threeNamespaces }),
    flags: [...issuer, '--split', 'by-namespace'],
  },
  '25x3': {
    manifests: fleetManifests({ ...shop, accounts: 3, namespaces: ['shop'] }),
    clusters: fleetFile(25, { aks: true }),
    flags: [],
  },
}

function prepare(t: TestContext, { manifests, clusters, flags }: Fleet): string[] {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'apps'))
  writeFileSync(join(directory, 'apps/all.yaml'), manifests)
  if (clusters === undefined) return [join(directory, 'apps'), ...flags]
  writeFileSync(join(directory, 'fleet.yaml'), clusters)
  return [join(directory, 'apps'), '--fleet', join(directory, 'fleet.yaml'), ...flags]
}

const nothing: Fleet = { manifests: '', flags: [] }

const identityPlan = (...words: string[]) => runCli(['identity', 'plan', ...words])

/** `KEYMOUNT_WRITE_GOLDEN=1` writes the files, for a review of what changed. */
function equalsGolden(name: string, text: string): void {
  const file = join(import.meta.dirname, 'golden', name)
  if (process.env.KEYMOUNT_WRITE_GOLDEN === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
}

for (const [name, fleet] of Object.entries(fleets)) {
  test(`the plan of the fleet ${name}, as a table and as commands of az`, async (t) => {
    const words = prepare(t, fleet)
    const table = await identityPlan(...words, '--format', 'table')
    assert.equal(table.code, 0, table.stderr)
    const az = await identityPlan(...words, '--format', 'az')
    assert.equal(az.code, 0, az.stderr)
    // Every script begins with the same functions.
    const end = az.stdout.indexOf('\n\nidentity ')
    equalsGolden('functions.sh', `${az.stdout.slice(0, end)}\n`)
    equalsGolden(`${name}.txt`, `${table.stdout}\n${az.stdout.slice(end + 2)}`)
  })

  test(`the plan of the fleet ${name} is Bicep by its grammar for tree-sitter, and Terraform by HashiCorp’s parser, with arguments that azurerm knows`, async (t) => {
    const words = prepare(t, fleet)
    const wanted = JSON.parse((await identityPlan(...words, '--format', 'json')).stdout) as JsonPlan
    const directory = temporaryDirectory(t)
    for (const format of ['bicep', 'terraform']) {
      const out = join(directory, format)
      const { code, stdout, stderr } = await identityPlan(...words, '--format', format, '--output-dir', out)
      assert.equal(code, 0, stderr)
      const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((one) => one.includes('.'))
      assert.deepEqual(stdout.trim().split('\n').toSorted(), files.map((one) => join(out, one)).toSorted())
      for (const file of files) await checkFile(file, readFileSync(join(out, file), 'utf8'))
    }
    const main = await parseTerraform('main.tf', readFileSync(join(directory, 'terraform/main.tf'), 'utf8'))
    const locals = recordOf((main.locals as unknown[])[0]) ?? {}
    const { parts, bindings } = wanted.identities[0] ?? { parts: [], bindings: [] }
    const all = parts.flatMap(({ credentials }) => credentials)
    assert.equal(Object.keys(recordOf(locals.credentials) ?? {}).length, all.length)
    assert.equal(Object.keys(recordOf(locals.bindings) ?? {}).length, bindings.length)
    const modules = await parseBicep('main.bicep', readFileSync(join(directory, 'bicep/main.bicep'), 'utf8'))
    const declared = Object.values(modules).flat()
    assert.equal(declared.filter((one) => one.startsWith('binding_')).length, bindings.length)
    assert.equal(declared.filter((one) => one.startsWith('identity_')).length, parts.length)
  })
}

test('a name that no cluster has is not planned: no file is outside of the directory, and no word of a command is an option of kubectl', async (t) => {
  const { flags, ...given } = fleets['1x15'] ?? nothing
  for (const name of ['x/../../../../escaped', '--server=http://198.51.100.1', 'a\u001b]0;title\u0007', '$(id)']) {
    const quoted = JSON.stringify(name)
    const asClass = given.manifests
      .replaceAll('secretProviderClass: app', `secretProviderClass: ${quoted}`)
      .replace('name: app\n', `name: ${quoted}\n`)
    const labels = 'labels: {azure.workload.identity/use: "true"}'
    const client = `annotations: {azure.workload.identity/client-id: ${shop.clientId}}`
    const asPod = given.manifests
      .replaceAll(/kind: ServiceAccount\nmetadata:\n/g, `$&  ${client}\n`)
      .replaceAll(/kind: Pod\nmetadata:\n {2}name: \S+/g, `kind: Pod\nmetadata:\n  ${labels}\n  name: ${quoted}`)
    for (const manifests of [asClass, asPod]) {
      assert.ok(manifests.includes(quoted))
      const words = prepare(t, { ...given, manifests, flags: [...flags, '--bindings', 'always', '--aks', aksId] })
      const out = join(temporaryDirectory(t), 'a', 'b')
      const files = await identityPlan(...words, '--format', 'bicep', '--output-dir', join(out, 'c'))
      assert.match(files.stderr, /is not the name of a (class|workload)/)
      assert.equal(files.code, 1)
      assert.deepEqual(existsSync(out) ? readdirSync(out) : ['c'], ['c'])
      const script = await identityPlan(...words, '--format', 'az')
      assert.ok(!`${files.stdout}${script.stdout}`.includes(name))
      assert.doesNotMatch(`${files.stderr}${script.stderr}`, /\p{Cc}(?<!\n)/u)
    }
  }
})

test('objects of two namespaces whose names run together have a patch each', async (t) => {
  const manifests = [
    fleetManifests({ ...shop, accounts: 1, namespaces: ['a-b'] }).replaceAll(/\bapp$/gm, 'c'),
    fleetManifests({ ...shop, accounts: 1, namespaces: ['a'] }).replaceAll(/\bapp$/gm, 'b-c'),
  ].join('---\n')
  const words = prepare(t, { manifests, flags: [...issuer, '--bindings', 'always', '--aks', aksId] })
  const out = join(temporaryDirectory(t), 'out')
  const { code, stderr } = await identityPlan(...words, '--format', 'bicep', '--output-dir', out)
  assert.equal(code, 0, stderr)
  const patches = readdirSync(join(out, 'patches'), { recursive: true, encoding: 'utf8' })
  assert.equal(patches.filter((one) => one.endsWith('.yaml')).length, 2)
})

const aksId =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/fleet/providers/Microsoft.ContainerService/managedClusters/prod'

interface JsonPlan {
  done: boolean
  identities: {
    clientId: string
    way: string
    parts: { newName?: string; credentials: { name: string; subject: string }[]; grants: unknown[] }[]
    bindings: unknown[]
    changes: { kind: string; name: string }[]
  }[]
  problems: string[]
}

async function checkFile(file: string, text: string): Promise<void> {
  if (file.endsWith('.bicep')) await parseBicep(file, text)
  else if (file.endsWith('.tf') || file.endsWith('.tfvars')) checkAzurerm(await parseTerraform(file, text))
  else if (file.endsWith('.json')) JSON.parse(text)
  else
    assert.deepEqual(
      parseAllDocuments(text).flatMap(({ errors }) => errors),
      [],
    )
  assert.doesNotMatch(text, /client_?secret|password/i)
}

const jsonOf = async (...words: string[]): Promise<JsonPlan> =>
  JSON.parse((await identityPlan(...words, '--format', 'json')).stdout) as JsonPlan

test('the fleet of 45 is split so that no identity has more than 20 subjects, in both ways', async (t) => {
  const words = prepare(t, { ...(fleets['1x45'] ?? { manifests: '' }), flags: issuer })
  for (const split of ['round-robin', 'by-namespace']) {
    const { identities } = await jsonOf(...words, '--split', split)
    assert.deepEqual(
      identities.map(({ way, parts }) => [way, parts.map(({ credentials }) => credentials.length)]),
      [['split', [15, 15, 15]]],
    )
    const subjects = identities.flatMap(({ parts }) =>
      parts.flatMap((part) => part.credentials.map((one) => one.subject)),
    )
    assert.equal(new Set(subjects).size, 45)
  }
  const { identities } = await jsonOf(...words, '--split', 'by-namespace', '--max-fics', '30')
  assert.deepEqual(
    identities.map(({ parts }) => parts.map(({ credentials }) => credentials.length)),
    [[30, 15]],
  )
})

test('the order of the manifests changes neither a name nor a part', async (t) => {
  const backwards = (fleets['1x45']?.manifests ?? '').split('---\n').toReversed().join('---\n')
  const one = await jsonOf(...prepare(t, { manifests: fleets['1x45']?.manifests ?? '', flags: issuer }))
  assert.deepEqual(await jsonOf(...prepare(t, { manifests: backwards, flags: issuer })), one)
})

test('identity bindings need the resource id of every cluster, and can be refused', async (t) => {
  const words = prepare(t, {
    ...(fleets['25x3'] ?? { manifests: '' }),
    clusters: fleetFile(25, { aks: false }),
    flags: [],
  })
  assert.equal((await jsonOf(...words)).identities[0]?.way, 'split')
  const demanded = await identityPlan(...words, '--bindings', 'always')
  assert.equal(demanded.code, 2)
  assert.match(demanded.stderr, /the AKS resource id of cluster "prod-01" is missing/)
  const withIds = prepare(t, { ...(fleets['25x3'] ?? { manifests: '' }), flags: [] })
  assert.equal((await jsonOf(...withIds, '--bindings', 'never')).identities[0]?.way, 'split')
  const small = prepare(t, { ...(fleets['1x15'] ?? { manifests: '' }), flags: issuer })
  const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c'
  assert.equal((await jsonOf(...small, '--bindings', 'always', '--aks', id)).identities[0]?.way, 'bindings')
})

test('roles are for the type of object that a class reads; --scope object gives one for each, and a selection needs the vault', async (t) => {
  const objects = [
    { objectName: 'db', objectType: 'secret' },
    { objectName: 'sign', objectType: 'key' },
    { objectName: 'tls', objectType: 'cert' },
    { objectName: 'other', objectType: 'secret', vault: 'shop-two' },
  ]
  const words = prepare(t, {
    manifests: fleetManifests({ ...shop, accounts: 1, namespaces: ['shop'], objects }),
    flags: issuer,
  })
  const roles = async (...flags: string[]) =>
    (await identityPlan(...words, ...flags)).stdout.split('\n').flatMap((line) => /\+ role (.*)/.exec(line)?.[1] ?? [])
  assert.deepEqual(await roles(), [
    '"Key Vault Certificate User" on shop-prod',
    '"Key Vault Crypto User" on shop-prod',
    '"Key Vault Secrets User" on shop-prod',
    '"Key Vault Secrets User" on shop-two',
  ])
  assert.deepEqual(await roles('--scope', 'object'), [
    '"Key Vault Certificate User" on shop-prod/certificates/tls',
    '"Key Vault Crypto User" on shop-prod/keys/sign',
    '"Key Vault Secrets User" on shop-prod/secrets/db',
    '"Key Vault Secrets User" on shop-two/secrets/other',
  ])
})

test('what cannot be planned is reported with its file, and the rest is planned', async (t) => {
  const good = fleetManifests({ ...shop, accounts: 1, namespaces: ['shop'] })
  const hostile = fleetManifests({ ...shop, accounts: 1, namespaces: ["x'; rm -rf ~ #"] })
  const template = fleetManifests({ ...shop, clientId: '<client id>', accounts: 1, namespaces: ['bank'] })
  const words = prepare(t, { manifests: [good, hostile, template].join('---\n'), flags: issuer })
  const { code, stdout, stderr } = await identityPlan(...words, '--format', 'az')
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^credential km-[0-9a-f]{10} https:\/\/oidc\.example\/prod\/ system:serviceaccount:shop:app-01$/m,
  )
  assert.doesNotMatch(stdout, /rm -rf/)
  assert.match(stderr, /not planned: .*all\.yaml: Pod app-01: "x'; rm -rf ~ #" is not the name of a namespace/)
  assert.match(stderr, /not planned: .*Pod app-01: its client id is a placeholder: fill in the manifests before/)
})

test('the plan reports nothing to do only when all of it could be planned', async (t) => {
  const manifests = fleetManifests({ ...shop, clientId: '$CLIENT_ID', accounts: 1, namespaces: ['shop'] })
  const table = await identityPlan(...prepare(t, { manifests, flags: issuer }))
  assert.deepEqual([table.code, table.stdout], [1, 'nothing could be planned\n'])
  const wrong = fleetManifests({ ...shop, clientId: 'shop', accounts: 1, namespaces: ['shop'] })
  const script = await identityPlan(...prepare(t, { manifests: wrong, flags: issuer }), '--format', 'az')
  assert.deepEqual([script.code, script.stdout], [1, '# nothing could be planned\n'])
  assert.match(script.stderr, /not planned: .*client id "?shop"? is not a UUID/)
})

test('the file of a fleet is checked field by field', async (t) => {
  const words = prepare(t, {
    manifests: fleets['1x15']?.manifests ?? '',
    clusters:
      'clusters:\n- name: A b\n  issuer: http://x\n  aks: prod\n  extra: 1\n- name: a\n  issuer: https://x/\n- name: a\n  issuer: https://y/\n',
    flags: [],
  })
  const { code, stderr } = await identityPlan(...words)
  assert.equal(code, 2)
  for (const text of [
    'clusters[0].name',
    'clusters[0].issuer',
    'clusters[0].aks',
    'found "extra"',
    '"a" is there twice',
  ])
    assert.ok(stderr.includes(text), `${text} in ${stderr}`)
})

test('without manifests, an issuer or a choice between files and the cluster, the command names what is missing', async (t) => {
  const [path = ''] = prepare(t, fleets['1x15'] ?? { manifests: '', flags: [] })
  assert.match((await identityPlan(...issuer)).stderr, /no manifests are named/)
  assert.match((await identityPlan(path)).stderr, /the issuer of the service account tokens is not known/)
  assert.match(
    (await identityPlan(path, '--cluster')).stderr,
    /--cluster reads the cluster of the kubeconfig, and no files/,
  )
})

test('Ctrl-C ends a plan that waits for Azure', { timeout: 60_000 }, async (t) => {
  // Accepts connections and answers nothing, as a network that swallows packets.
  let connections = 0
  const silent = createServer((socket) => {
    connections++
    socket.on('error', () => undefined)
  })
  const port = await loopbackPort(t, silent)
  const connected = once(silent, 'connection')
  const [program, ...words] = cliCommand
  const flags = ['--azure', '--auth-method', 'client_secret', '--subscription-id', shop.tenantId]
  const child = spawn(program, [...words, 'identity', 'plan', ...prepare(t, fleets['1x15'] ?? nothing), ...flags], {
    env: {
      ...cliEnvironment(),
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      AZURE_TENANT_ID: shop.tenantId,
      AZURE_CLIENT_ID: shop.clientId,
      AZURE_CLIENT_SECRET: 'of-nothing',
    },
    stdio: 'ignore',
  })
  const ended = once(child, 'close')
  await connected
  child.kill('SIGINT')
  assert.deepEqual(await ended, [130, null])
  assert.equal(connections, 1, 'nothing was tried again')
})

test('files that a user may have filled in are not replaced by the next plan, and a directory that cannot be made is an error', async (t) => {
  const words = prepare(t, fleets['1x15'] ?? nothing)
  const out = join(temporaryDirectory(t), 'out')
  const write = (directory: string) => identityPlan(...words, '--format', 'bicep', '--output-dir', directory)
  assert.equal((await write(out)).code, 0)
  const again = await write(out)
  assert.equal(again.code, 2)
  assert.match(again.stderr, /is not empty\n.*nothing is overwritten/)
  assert.match(again.stderr, /--output-dir DIR/)
  const impossible = await write('/proc/nope/x')
  assert.equal(impossible.code, 2)
  assert.match(impossible.stderr, /\/proc\/nope/)
})
