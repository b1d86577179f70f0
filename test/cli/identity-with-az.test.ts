import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isNotFound, resources } from '#kubernetes/client'
import { azMissing, findAz } from '../support/az.ts'
import { findKubectl, kubectlMissing } from '../support/kubectl.ts'
import { runCli } from '../support/run-cli.ts'
import { type IdentityLab, startIdentityLab, unwrapped } from './identity-lab.ts'

const [az, kubectl] = [findAz(), findKubectl()]
const skip = az === undefined ? azMissing : kubectl === undefined ? kubectlMissing : false

/** The lab for who has done `eval "$(keymount env)"` and nothing else: az is signed in by that. */
async function startWithAz(t: TestContext) {
  const lab = await startIdentityLab(t)
  const programs = mkdtempSync(join(tmpdir(), 'keymount-path-'))
  t.after(() => rmSync(programs, { recursive: true, force: true }))
  symlinkSync(az ?? '', join(programs, 'az'))
  symlinkSync(kubectl ?? '', join(programs, 'kubectl'))
  const { AZURE_CLIENT_SECRET: _, AZURE_CLIENT_ID: __, AZURE_SUBSCRIPTION_ID: ___, ...variables } = lab.env
  const env = {
    ...variables,
    PATH: `${programs}:${process.env.PATH ?? ''}`,
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    AZURE_CORE_ONLY_SHOW_ERRORS: 'yes',
  }
  const shell = (script: string) =>
    new Promise<{ code: number; output: string }>((done) => {
      execFile('/bin/sh', ['-c', script], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
      })
    })
  return { ...lab, shell, identity: (...words: string[]) => runCli(['identity', ...words], env) }
}

const serviceAccount = ({ kube }: IdentityLab) =>
  kube.get(resources.serviceAccounts, { namespace: 'default', name: 'orders' })

for (const kind of ['application', 'managed-identity'] as const) {
  test(`serviceaccount --dry-run prints a script that does the same (${kind})`, { skip }, async (t) => {
    const lab = await startWithAz(t)
    const scope = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}`
    const what = [
      ...['--service-account-name', 'orders', '--service-account-issuer-url', lab.issuer, '--identity-type', kind],
      ...(kind === 'application' ? [] : ['--managed-identity-resource-group', lab.resourceGroup]),
    ]
    const role = ['--azure-scope', scope, '--azure-role', 'Key Vault Secrets User']
    const script = await lab.identity('serviceaccount', 'create', '--dry-run', ...what, ...role)
    assert.equal(script.code, 0, script.stderr)
    await assert.rejects(serviceAccount(lab), isNotFound)

    // What az does with a managed identity can be repeated by itself; with an application the script sees to it.
    const times = kind === 'application' ? 2 : 1
    for (let i = 0; i < times; i++) {
      const { code, output } = await lab.shell(script.stdout)
      assert.equal(code, 0, output)
    }
    const { annotations } = (await serviceAccount(lab)).metadata
    assert.match(annotations?.['azure.workload.identity/client-id'] ?? '', /^[0-9a-f-]{36}$/)
    assert.equal(annotations?.['azure.workload.identity/tenant-id'], lab.azure.tenantId)

    // The command itself, signed in by az, finds all of it done.
    const { code, stdout, stderr } = await lab.identity('serviceaccount', 'create', ...what, ...role)
    assert.equal(code, 0, stderr)
    assert.match(unwrapped(stdout), /found (application|managed identity)/)
    assert.match(unwrapped(stdout), /found federated credential/)
    assert.match(unwrapped(stdout), /is given already/)

    const assignment = /(\/subscriptions\/\S+\/roleAssignments\/\S+)/.exec(stdout)?.[1] ?? ''
    const remove = await lab.identity('sa', 'delete', '--dry-run', ...what, '--role-assignment-id', assignment)
    for (let i = 0; i < times; i++) {
      const done = await lab.shell(remove.stdout)
      assert.equal(done.code, 0, done.output)
    }
    await assert.rejects(serviceAccount(lab), isNotFound)
    const again = await lab.identity('sa', 'delete', ...what, '--role-assignment-id', assignment)
    assert.equal(unwrapped(again.stdout).match(/nothing to delete/g)?.length, 3, again.stdout + again.stderr)
  })
}

test('what the doctor prints, mends', { skip }, async (t) => {
  const lab = await startWithAz(t)
  const create = (...words: string[]) => lab.identity('sa', 'create', ...words, '--service-account-name', 'orders')
  const kind = ['--identity-type', 'managed-identity', '--managed-identity-resource-group', lab.resourceGroup]
  const skipped = ['--skip-phases', 'role-assignment']
  const created = await create(...kind, ...skipped, '--service-account-issuer-url', `${lab.issuer}/`)
  assert.equal(created.code, 0, created.stderr)
  await lab.azure.createVault('doctor-az')
  const clientID = /client (\S+)/.exec(created.stdout)?.[1] ?? ''
  const objects = 'array:\n  - |\n    objectName: password\n    objectType: secret\n'
  const parameters = { keyvaultName: 'doctor-az', clientID, tenantID: lab.azure.tenantId, objects }
  await lab.kube.create(resources.secretProviderClasses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: 'default', name: 'orders' },
    spec: { provider: 'azure', parameters },
  })
  const csi = {
    driver: 'secrets-store.csi.k8s.io',
    readOnly: true,
    volumeAttributes: { secretProviderClass: 'orders' },
  }
  const image = 'registry.k8s.io/e2e-test-images/busybox:1.29-4'
  await lab.kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name: 'orders' },
    spec: {
      serviceAccountName: 'orders',
      containers: [{ name: 'main', image, command: ['sleep', '3600'] }],
      volumes: [{ name: 'secrets', csi }],
    },
  })

  const before = await lab.identity('doctor', 'orders')
  assert.equal(before.code, 1, before.stderr)
  const commands = [...before.stdout.matchAll(/^ *→ (az .*)$/gm)].map(([, command]) => command ?? '')
  assert.equal(commands.length, 2, before.stdout)
  for (const command of commands) {
    const { code, output } = await lab.shell(command)
    assert.equal(code, 0, output)
  }
  const after = await lab.identity('doctor', 'orders')
  assert.equal(after.code, 0, after.stdout)
  assert.match(after.stdout, /^Nothing is wrong\.|^Nothing wrong was found/m)
})
