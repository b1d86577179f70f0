import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { createKubeClient, loadKubeconfig, resources } from '#kubernetes/client'
import { createLabAzure, readCredentials } from '#lab/home'
import { azMissing, findAz } from '../../support/az.ts'
import { temporaryHome, type UpSummary } from './lab-in-temporary-home.ts'

test('a lab goes up, is used, goes down, and comes back with what was in it', async (t) => {
  const home = await temporaryHome(t)
  let lab: UpSummary

  await t.test('up starts both programs and waits until driver and provider are ready', async () => {
    lab = await home.up()
    assert.deepEqual(lab.started.toSorted(), ['local-azure', 'local-cluster', 'namespace'])
    assert.deepEqual(lab.pods.map(({ app, ready }) => `${app} ${ready}`).toSorted(), [
      'secrets-store-csi-driver true',
      'secrets-store-provider-azure true',
    ])
  })

  await t.test('up again reports that the lab was up already, and starts nothing', async () => {
    assert.deepEqual((await home.up()).started, [])
    const { stdout } = await home.keymount('up')
    assert.match(stdout, /The lab was up already/)
  })

  await t.test('up with other settings is refused and names what to do', async () => {
    const { code, stderr } = await home.keymount('up', '--port', '1')
    assert.equal(code, 1)
    assert.match(stderr, /is up with other settings/)
    assert.match(stderr, /keymount down/)
  })

  await t.test('status shows every process and ends with 0', async () => {
    const { code } = await home.keymount('status')
    assert.equal(code, 0)
    const { state, processes } = await home.status()
    assert.equal(state, 'up')
    assert.ok(processes.every(({ pid, address }) => pid !== null && address !== null))
  })

  await t.test('env prints the same variables for sh, fish and programs', async () => {
    const json = JSON.parse((await home.keymount('env', '--json')).stdout) as Record<string, string>
    assert.deepEqual(Object.keys(json), [
      'KUBECONFIG',
      'HTTPS_PROXY',
      'https_proxy',
      'NO_PROXY',
      'no_proxy',
      'SSL_CERT_FILE',
      'REQUESTS_CA_BUNDLE',
      'CURL_CA_BUNDLE',
      'PIP_CERT',
      'GIT_SSL_CAINFO',
      'NODE_EXTRA_CA_CERTS',
      'AZURE_CONFIG_DIR',
    ])
    for (const name of ['KUBECONFIG', 'REQUESTS_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS', 'AZURE_CONFIG_DIR']) {
      assert.ok(existsSync(json[name] ?? ''), name)
    }
    const bundle = readFileSync(json.REQUESTS_CA_BUNDLE ?? '', 'utf8')
    assert.ok(bundle.includes(readFileSync(lab.azure.ca, 'utf8').trim()), 'the bundle has the CA of the lab')
    const { stdout: sh } = await home.keymount('env')
    const { stdout: fish } = await home.keymount('env', '--shell', 'fish')
    for (const [name, value] of Object.entries(json)) {
      assert.ok(sh.includes(`export ${name}='${value}'\n`), sh)
      assert.ok(fish.includes(`set -gx ${name} '${value}'\n`), fish)
    }
    const user = { https_proxy: 'http://proxy.example:3128', no_proxy: 'intranet.example' }
    const { stdout: saved } = await home.keymountWith(user, 'env')
    const script = `${saved}\n${(await home.keymountWith({ ...user, ...savedIn(saved) }, 'env', '--unset')).stdout}`
    const { stdout: after } = await promisify(execFile)('sh', ['-c', `${script}\nenv`], { env: user })
    assert.match(after, /^https_proxy=http:\/\/proxy\.example:3128$/m)
    assert.doesNotMatch(after, /HTTPS_PROXY|KEYMOUNT|AZURE|CA_BUNDLE/)
  })

  const az = findAz()
  await t.test(
    'env leaves az signed in as the owner of the subscription',
    { skip: az === undefined && azMissing },
    async () => {
      const variables = JSON.parse((await home.keymount('env', '--json')).stdout) as Record<string, string>
      const env = { ...variables, PATH: process.env.PATH ?? '', HOME: home.path }
      const run = (line: string) => promisify(execFile)(az ?? '', [...line.split(' '), '--only-show-errors'], { env })
      const { stdout } = await run('account show --query user.name -o tsv')
      assert.equal(stdout.trim(), readCredentials(lab.azure.credentials).clientId)
      await run('group create -n signed-in -l westeurope')
      for (const file of ['azureProfile.json', 'service_principal_entries.json']) {
        assert.equal(statSync(join(variables.AZURE_CONFIG_DIR ?? '', file)).mode & 0o077, 0, file)
      }
    },
  )

  await t.test('azure throttle makes a vault answer 429, and reports a vault that does not exist', async () => {
    const none = await home.keymount('azure', 'throttle', 'shop')
    assert.match(none.stderr, /The lab has no vault shop/)
    const { kube, azure } = clients(lab)
    await azure.createResourceGroup()
    await azure.createVault('throttled')
    kube.close()
    azure.stop()
    const url = 'https://Throttled.vault.azure.net/'
    const { code, stdout } = await home.keymount('azure', 'throttle', url, '--retry-after', '7', '--for', '90s')
    assert.equal(code, 0)
    assert.match(stdout, /answers 429 to every request for 1m30s, with Retry-After: 7/)
    assert.match((await home.keymount('azure', 'faults')).stdout, /throttled\.vault\.azure\.net {2}answers 429/)
    const wrong = await home.keymount('azure', 'throttle', 'throtled')
    assert.match(wrong.stderr, /did you mean throttled/)
    assert.match((await home.keymount('azure', 'throttle', 'throttled', '--off')).stdout, /answers again/)
    assert.match((await home.keymount('azure', 'faults')).stdout, /No host/)
  })

  await t.test('azure fault makes a vault or Entra fail in the way that it names, and --clear ends it', async () => {
    const fault = async (...words: string[]) => {
      const { code, stdout, stderr } = await home.keymount('azure', 'fault', ...words)
      return { code, text: stdout + stderr }
    }
    const lost = await fault('throttled', '--unreachable')
    assert.equal(lost.code, 0, lost.text)
    assert.match(
      lost.text,
      /^throttled\.vault\.azure\.net does not answer\.\n +to end it: keymount azure fault throttled --clear/,
    )
    const { kube, azure } = clients(lab)
    await assert.rejects(azure.vault('GET', 'throttled', '/secrets/none'))
    assert.match(
      (await fault('throttled', '--status', '503', '--for', '90s')).text,
      /answers 503 to every request for 1m30s\.\n$/,
    )
    await assert.rejects(azure.vault('GET', 'throttled', '/secrets/none'), /503/)
    assert.match(
      (await fault('entra', '--throttle', '--retry-after', '7')).text,
      /^login\.microsoftonline\.com answers 429 .*: 7\./,
    )
    const { stdout } = await home.keymount('azure', 'faults')
    assert.match(stdout, /^throttled\.vault\.azure\.net {2}answers 503 to every request until /m)
    assert.match(stdout, /^login\.microsoftonline\.com {2}answers 429 to every request, with Retry-After: 7$/m)
    for (const host of ['throttled', 'entra']) assert.match((await fault(host, '--clear')).text, /answers again/)
    assert.match((await home.keymount('azure', 'faults')).stdout, /No host/)
    await azure.createVault('entra')
    assert.match((await fault('entra', '--status', '503')).text, /^login\.microsoftonline\.com answers 503/)
    assert.match(
      (await fault('entra.vault.azure.net', '--status', '503')).text,
      /^entra\.vault\.azure\.net answers 503 .*\n.* azure fault entra\.vault\.azure\.net --clear/,
    )
    for (const host of ['entra', 'entra.vault.azure.net']) await fault(host, '--clear')
    kube.close()
    azure.stop()
    for (const [words, text] of [
      [['throttled'], /How the host fails is missing\n +fix +one of --unreachable/],
      [['throttled', '--unreachable', '--throttle'], /cannot be used with/],
      [['throttled', '--status', '200'], /Expected a status from 400 to 599/],
      [['throttled', '--unreachable', '--for', '48h'], /--for is 48h\n +fix +a duration from 1ms to 24h/],
      [['throtled', '--unreachable'], /did you mean throttled/],
      [['www.example.com', '--unreachable'], /^keymount: The local Azure does not serve www\.example\.com\n +fix /],
      [['www.example.com', '--clear'], /does not serve www\.example\.com/],
      [['a.b/../../requests', '--clear'], /"a\.b\/\.\.\/\.\.\/requests" is not the name of a host/],
      [['throttled', '--status', '503', '--retry-after', '5'], /--retry-after is given without --throttle/],
    ] as const) {
      const { code, text: found } = await fault(...words)
      assert.notEqual(code, 0)
      assert.match(found, text)
    }
  })

  await t.test('azure vault create makes a vault with secrets for the administrator', async () => {
    const args = ['azure', 'vault', 'create', 'settings', '--secret', 'password=example', '--secret', 'user=me']
    const { code, stdout, stderr } = await home.keymount(...args)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /https:\/\/settings\.vault\.azure\.net\/ has 2 secrets/)
    const { kube, azure } = clients(lab)
    const { value } = await azure.vault<{ value: string }>('GET', 'settings', '/secrets/password')
    assert.equal(value, 'example')
    kube.close()
    azure.stop()
  })

  await t.test(
    'env --admin signs DefaultAzureCredential in without az, and env --unset takes the credentials back',
    async () => {
      const program = [
        "import { DefaultAzureCredential } from '@azure/identity'",
        "import { SecretClient } from '@azure/keyvault-secrets'",
        "const client = new SecretClient('https://settings.vault.azure.net', new DefaultAzureCredential())",
        "process.stdout.write((await client.getSecret('password')).value)",
      ].join('\n')
      const user = { AZURE_CLIENT_ID: 'of-the-user', AZURE_FEDERATED_TOKEN_FILE: '/of/the/user' }
      const { stdout: set } = await home.keymountWith(user, 'env', '--admin')
      const script = `${set}\nexec "$0" --input-type=module -e "$1"`
      const run = promisify(execFile)('sh', ['-c', script, process.execPath, program], {
        env: { ...user, HOME: home.path },
      })
      assert.equal((await run).stdout, 'example')
      const undo = `${set}\n${(await home.keymountWith({ ...user, ...savedIn(set) }, 'env', '--unset')).stdout}\nenv`
      const { stdout: after } = await promisify(execFile)('sh', ['-c', undo], { env: user })
      const azure = after.split('\n').filter((line) => line.startsWith('AZURE_'))
      assert.deepEqual(azure.toSorted(), ['AZURE_CLIENT_ID=of-the-user', 'AZURE_FEDERATED_TOKEN_FILE=/of/the/user'])
    },
  )

  await t.test('down stops all of it, twice is fine, and status then ends with 3', async () => {
    await useLab(lab)
    for (const expected of [/is down/, /was not up/]) {
      const { code, stdout } = await home.keymount('down')
      assert.equal(code, 0)
      assert.match(stdout, expected)
    }
    const { code } = await home.keymount('status')
    assert.equal(code, 3)
    assert.equal((await home.keymount('env')).code, 3)
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    assert.ok(!mounts.includes(home.path), 'no mount of the lab is left on the machine')
  })

  await t.test('the next up has the same ports, vaults and cluster objects', async () => {
    const again = await home.up()
    assert.equal(again.azure.proxy, lab.azure.proxy)
    await assertUsed(again)
  })

  await t.test('down --delete-state leaves nothing', async () => {
    const { code, stdout } = await home.keymount('down', '--delete-state')
    assert.equal(code, 0)
    assert.match(stdout, /deleted/)
    assert.ok(!existsSync(home.path))
    assert.equal((await home.keymount('down')).code, 0)
  })
})

const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept', namespace: 'default' } }

function clients({ kubeconfig, azure }: UpSummary) {
  return {
    kube: createKubeClient(loadKubeconfig(kubeconfig)),
    azure: createLabAzure({
      credentials: readCredentials(azure.credentials),
      proxy: azure.proxy,
      ca: readFileSync(azure.ca, 'utf8'),
    }),
  }
}

async function useLab(lab: UpSummary): Promise<void> {
  const { kube, azure } = clients(lab)
  await kube.create(resources.configMaps, configMap)
  await azure.createResourceGroup()
  await azure.createVault('kept-over-down')
  kube.close()
  azure.stop()
}

async function assertUsed(lab: UpSummary): Promise<void> {
  const { kube, azure } = clients(lab)
  await kube.get(resources.configMaps, { name: 'kept', namespace: 'default' })
  const group = `/subscriptions/${azure.subscriptionId}/resourceGroups/keymount`
  await azure.resourceManager.get(`${group}/providers/Microsoft.KeyVault/vaults/kept-over-down`, {
    apiVersion: '2023-07-01',
  })
  kube.close()
  azure.stop()
}

/** The variables that the output of `env` sets. */
function savedIn(sh: string): Record<string, string> {
  return Object.fromEntries(
    [...sh.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}
