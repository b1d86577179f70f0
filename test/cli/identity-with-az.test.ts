import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNotFound, type Pod, resources } from '#kubernetes/client'
import { applicationCredentialName, managedCredentialName, subjectOf } from '../../src/cli/identity/names.ts'
import { type IdentityLab, unwrapped } from './identity-lab.ts'
import { labWithAzSkip as skip, startLabWithAz as startWithAz } from './lab-with-az.ts'
import { account, createMountingPod, name, podOf, podReady, podRef } from './mounted-pod.ts'

/** Whose federated credential has a name that begins with a hyphen, as one of 64 does. */
function accountWithHyphen({ issuer }: IdentityLab): string {
  const names = Array.from({ length: 5000 }, (_, index) => `orders-${index}`)
  const found = names.find((name) => applicationCredentialName({ namespace: 'default', name }, issuer).startsWith('-'))
  assert.ok(found !== undefined)
  return found
}

for (const kind of ['application', 'managed-identity'] as const) {
  test(`serviceaccount --dry-run prints a script that does the same (${kind})`, { skip }, async (t) => {
    const lab = await startWithAz(t)
    const scope = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}`
    const orders = accountWithHyphen(lab)
    const serviceAccount = () => lab.kube.get(resources.serviceAccounts, { namespace: 'default', name: orders })
    const what = [
      ...['--service-account-name', orders, '--service-account-issuer-url', lab.issuer, '--identity-type', kind],
      ...(kind === 'application' ? [] : ['--managed-identity-resource-group', lab.resourceGroup]),
    ]
    const role = ['--azure-scope', scope, '--azure-role', 'Key Vault Secrets User']
    const script = await lab.identity('serviceaccount', 'create', '--dry-run', ...what, ...role)
    assert.equal(script.code, 0, script.stderr)
    await assert.rejects(serviceAccount(), isNotFound)

    // What az does with a managed identity can be repeated by itself; with an application the script sees to it.
    const times = kind === 'application' ? 2 : 1
    for (let i = 0; i < times; i++) {
      const { code, output } = await lab.shell(script.stdout)
      assert.equal(code, 0, output)
    }
    const { annotations } = (await serviceAccount()).metadata
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
    await assert.rejects(serviceAccount(), isNotFound)
    const again = await lab.identity('sa', 'delete', ...what, '--role-assignment-id', assignment)
    assert.equal(unwrapped(again.stdout).match(/nothing to delete/g)?.length, 3, again.stdout + again.stderr)
  })
}

/** What is wrong, and the pod that shows it. Every command that the doctor prints is run; then it finds nothing wrong. */
interface Case {
  name: string
  breakIt(lab: AzLab): Promise<unknown>
  /** Default: the pod `orders`, which mounts a class. */
  pod?: string
  /** How many commands it prints. */
  commands: number
  /** Whether the commands fix it, or only show what to choose from. Default true. */
  fixes?: boolean
}

const useLabel = 'azure.workload.identity/use'
const clientIdAnnotation = 'azure.workload.identity/client-id'

/** A pod that signs in by an SDK, without a class. */
function sdkPod(podName: string, labels: Record<string, string>): Pod {
  const { spec, ...rest } = podOf(podName)
  const [container] = spec.containers
  const { volumeMounts: _, ...bare } = container ?? { name: 'main' }
  return { ...rest, metadata: { ...rest.metadata, labels }, spec: { serviceAccountName: name, containers: [bare] } }
}

const federate = (lab: IdentityLab, change: object) =>
  lab.azure.setFederatedCredential(name, {
    name: managedCredentialName(account, lab.issuer),
    issuer: lab.issuer,
    subject: subjectOf(account),
    ...change,
  })

const cases: Case[] = [
  {
    name: 'the issuer of the federated credential lacks nothing but a slash',
    breakIt: (lab) => federate(lab, { issuer: `${lab.issuer}/` }),
    commands: 1,
  },
  {
    name: 'the audience of the federated credential is another one',
    breakIt: (lab) => federate(lab, { audiences: ['api://other'] }),
    commands: 1,
  },
  {
    name: 'there is no federated credential',
    breakIt: (lab) =>
      lab.identity(
        ...['sa', 'delete', 'phase', 'federated-identity', '--identity-type', 'managed-identity'],
        ...['--managed-identity-name', name, '--managed-identity-resource-group', lab.resourceGroup],
        ...['--service-account-name', name, '--service-account-issuer-url', lab.issuer],
      ),
    commands: 1,
  },
  {
    name: 'the identity has no role on the vault',
    breakIt: async (lab) =>
      lab.azure.removeRole({
        role: 'Key Vault Secrets User',
        principalId: await lab.principalOf(name),
        vault: 'doctor-az',
      }),
    commands: 1,
  },
  {
    name: 'the driver does not ask for tokens',
    breakIt: ({ kube }) =>
      kube.patch(resources.csiDrivers, { name: 'secrets-store.csi.k8s.io' }, { spec: { tokenRequests: null } }),
    commands: 1,
  },
  {
    name: 'neither class nor service account names an identity',
    async breakIt({ kube }) {
      await kube.patch(resources.secretProviderClasses, podRef, { spec: { parameters: { clientID: null } } })
      await kube.patch(resources.serviceAccounts, account, {
        metadata: { annotations: { [clientIdAnnotation]: null } },
      })
    },
    commands: 1,
  },
  {
    name: 'a pod that signs in by an SDK has neither label nor webhook',
    breakIt: ({ kube }) => kube.create(resources.pods, sdkPod('sdk', {})),
    pod: 'sdk',
    commands: 2,
  },
  {
    name: 'a pod was created with the label before there was a webhook',
    async breakIt(lab) {
      await lab.shell('az aks update --resource-group keymount --name keymount --disable-workload-identity')
      await lab.kube.create(resources.pods, sdkPod('early', { [useLabel]: 'true' }))
      await lab.shell('az aks update --resource-group keymount --name keymount --enable-workload-identity')
    },
    pod: 'early',
    commands: 1,
  },
  {
    name: 'the vault does not exist',
    breakIt: ({ kube }) =>
      kube.patch(resources.secretProviderClasses, podRef, { spec: { parameters: { keyvaultName: 'doctor-ax' } } }),
    commands: 1,
    fixes: false,
  },
  {
    name: 'the client id is of no identity',
    breakIt: ({ kube }) =>
      kube.patch(resources.secretProviderClasses, podRef, {
        spec: { parameters: { keyvaultName: 'doctor-az', clientID: '11111111-2222-3333-4444-555555555555' } },
      }),
    commands: 2,
    fixes: false,
  },
  {
    name: 'the service account does not exist',
    async breakIt({ kube }) {
      await kube.patch(resources.secretProviderClasses, podRef, { spec: { parameters: { clientID: null } } })
      await kube.delete(resources.serviceAccounts, account)
    },
    commands: 2,
  },
]

type AzLab = Awaited<ReturnType<typeof startWithAz>>

/** What the doctor prints about a pod: its exit status, and the commands, each once. */
async function examine(lab: AzLab, pod: string) {
  const { code, stdout, stderr } = await lab.identity('doctor', pod, '-n', 'default')
  assert.equal(stderr, '')
  const commands = [...stdout.matchAll(/^ *→ (.*)$/gm)].map(([, command]) => command ?? '')
  return { code, stdout, commands: [...new Set(commands)] }
}

test('every command that the doctor prints works where it is printed, and fixes what was wrong', {
  skip,
}, async (t) => {
  const lab = await startWithAz(t)
  const { clientId } = await createMountingPod(lab.administrator, 'doctor-az')
  await podReady(lab)
  for (const { name: title, breakIt, pod = name, commands: count, fixes = true } of cases) {
    await t.test(title, async () => {
      await breakIt(lab)
      const before = await examine(lab, pod)
      assert.equal(before.code, 1, before.stdout)
      assert.equal(before.commands.length, count, before.stdout)
      for (const command of before.commands) {
        const { code, output } = await lab.shell(command.replaceAll('CLIENT_ID', clientId))
        assert.equal(code, 0, `${command}\n${output}`)
      }
      if (!fixes) return
      const after = await examine(lab, pod)
      assert.equal(after.code, 0, `${before.commands.join('\n')}\n${after.stdout}`)
    })
  }
})
