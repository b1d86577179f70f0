/**
 * Planted faults: for each of them `keymount doctor` has to name the step and the code, and the first command that it prints
 * is run unchanged.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import {
  admit,
  classOf,
  create,
  type DoctorLab,
  deploymentOf,
  examine,
  mountFails,
  name,
  objectsOf,
  type Patient,
  podOf,
  runs,
  startAgain,
  startDoctorLab,
} from './doctor-lab.ts'
import { labWithAzSkip as skip } from './lab-with-az.ts'

interface Fault {
  what: string
  /** Id of the step that is wrong, and the code. */
  finds: string
  /** Leaves the patient as a user would bring it. */
  plant(patient: Patient): Promise<void>
  /** Default: the pod, with `--azure`. */
  target?: string
  words?: string[]
  /** `false`: no command can know what was meant. */
  repairs?: false
  /** After the first command; default: the pod, created again, becomes ready. */
  repaired?(patient: Patient): Promise<void>
  /** Undoes what is not in the patient's namespace, where the command did not. */
  cleanUp?(patient: Patient): Promise<void>
}

/** Class and pod, whose mount then fails. */
async function fails(patient: Patient, { spec = {}, csi = {} }: { spec?: object; csi?: object } = {}): Promise<void> {
  await create(patient, classOf(patient, spec), podOf(patient, csi))
  await mountFails(patient)
}

/** Class and pod that work. */
async function works(patient: Patient, { spec = {} }: { spec?: object } = {}): Promise<void> {
  await create(patient, classOf(patient, spec), podOf(patient))
  await runs(patient)
}

type CredentialChange = Partial<{ issuer: string; subject: string; audiences: string[] }>

const federate = async ({ lab: { azure, issuer }, identity, namespace }: Patient, change: CredentialChange) => {
  const subject = `system:serviceaccount:${namespace}:${name}`
  await azure.setFederatedCredential(identity, { name: 'keymount', issuer, subject, ...change })
}

const vaultPath = ({ lab, vault }: Patient) =>
  `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}/providers/Microsoft.KeyVault/vaults/${vault}`

const vaults = { apiVersion: '2023-07-01' }

const removeRole = ({ lab, principalId, vault }: Patient) =>
  lab.azure.removeRole({ role: 'Key Vault Secrets User', principalId, vault })

async function disableSecret({ lab, vault }: Patient): Promise<void> {
  await lab.azure.vault('PUT', vault, '/secrets/password', { value: 'hunter2', attributes: { enabled: false } })
}

type Parameters = Record<string, string | undefined>

/** A class that differs from a good one in these parameters; undefined leaves one out. */
function wrongClass(what: string, finds: string, change: Parameters | ((patient: Patient) => Parameters)): Fault {
  return {
    what,
    finds,
    async plant(patient) {
      const changed = typeof change === 'function' ? change(patient) : change
      for (const [parameter, value] of Object.entries(changed))
        if (value === undefined) delete patient.parameters[parameter]
        else patient.parameters[parameter] = value
      await fails(patient)
    },
  }
}

/** A federated credential that differs from a good one. */
function wrongCredential(what: string, finds: string, change: (patient: Patient) => CredentialChange): Fault {
  return {
    what,
    finds,
    async plant(patient) {
      await federate(patient, change(patient))
      await fails(patient)
    },
  }
}

/** A fault for a doctor with access to Azure, and the same for one without. */
function seenBothWays(what: string, finds: string, cause: (patient: Patient) => Promise<void>): Fault[] {
  const fault = {
    finds,
    async plant(patient: Patient) {
      await cause(patient)
      await fails(patient)
    },
  }
  return [
    { what, ...fault },
    { what: `${what}, and the doctor has no access to Azure`, words: [], ...fault },
  ]
}

const faults: readonly Fault[] = [
  {
    what: 'the pod asks for environment variables, and no webhook of Keymount has seen it',
    finds: 'I2 env-not-added',
    words: [],
    // The lab is Kubernetes 1.34, which has no such variables.
    repairs: false,
    async plant(patient) {
      const pod = podOf(patient)
      pod.metadata.annotations = { 'keymount.dev/env': 'PASSWORD=password' }
      await create(patient, classOf(patient), pod)
      await runs(patient)
      const { stdout } = await patient.lab.keymount('doctor', 'cluster', '-n', patient.namespace)
      assert.match(stdout, /✗ I2 [^\n]*\[env-not-added\][^\n]*[\s\S]*→ keymount doctor pod\/app -n/)
    },
  },
  wrongCredential(
    'the issuer of the federated credential has a slash at its end',
    'I7 entra-issuer-mismatch',
    ({ lab }) => ({ issuer: `${lab.issuer}/` }),
  ),
  wrongCredential(
    'the subject of the federated credential is in other letters',
    'I7 entra-subject-case-mismatch',
    ({ namespace }) => ({ subject: `system:serviceaccount:${namespace}:App` }),
  ),
  wrongCredential('the federated credential is for another audience', 'I7 entra-audience-mismatch', () => ({
    audiences: ['api://other'],
  })),
  {
    what: 'the identity has no federated credential',
    finds: 'I7 entra-no-federated-credential',
    async plant(patient) {
      const { lab, identity } = patient
      const path = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${identity}/federatedIdentityCredentials/keymount`
      await lab.azure.resourceManager.delete(path, { apiVersion: '2023-01-31' })
      await fails(patient)
    },
  },
  wrongClass('the class names a client id that does not exist', 'I6 entra-app-not-found', {
    clientID: '11111111-2222-3333-4444-555555555555',
  }),
  wrongClass('the class names a tenant that does not exist', 'I5 entra-tenant-not-found', {
    tenantID: '99999999-2222-3333-4444-555555555555',
  }),
  wrongClass('neither class nor service account names an identity', 'I1 client-id-missing', { clientID: undefined }),
  ...seenBothWays('the identity has no role on the vault', 'I9 vault-forbidden', removeRole),
  {
    what: 'a vault with access policies has none for the identity',
    finds: 'I9 vault-forbidden',
    async plant(patient) {
      await patient.lab.azure.resourceManager.patch(
        vaultPath(patient),
        { properties: { enableRbacAuthorization: false, accessPolicies: [] } },
        vaults,
      )
      await fails(patient)
    },
  },
  {
    what: 'the identity may read secrets, and the class has a key',
    finds: 'I9 vault-forbidden',
    async plant(patient) {
      const { lab, vault } = patient
      await lab.azure.assignRole({
        role: 'Key Vault Crypto Officer',
        principalId: await lab.azure.principalId(),
        vault,
      })
      await lab.azure.vault('POST', vault, '/keys/signing/create', { kty: 'RSA' })
      patient.parameters.objects = 'array:\n  - |\n    objectName: signing\n    objectType: key\n'
      await fails(patient)
    },
  },
  wrongClass('the class names the wrong type of an object, which the identity may not read', 'I9 vault-forbidden', {
    objects: objectsOf('password').replace('objectType: secret', 'objectType: cert'),
  }),
  {
    what: 'the class names the wrong type of an object, which the identity may read',
    finds: 'V2 vault-object-missing',
    async plant(patient) {
      const { lab, vault, principalId } = patient
      await lab.azure.assignRole({ role: 'Key Vault Crypto Officer', principalId, vault })
      patient.parameters.objects = objectsOf('password').replace('objectType: secret', 'objectType: key')
      await fails(patient)
    },
  },
  {
    what: 'the client secret of a service principal is wrong',
    finds: 'I8 entra-client-secret-wrong',
    words: [],
    async plant(patient) {
      const { lab, vault, namespace } = patient
      const { clientId, principalId } = await lab.azure.createApplication(`app-${namespace}`)
      await lab.azure.assignRole({ role: 'Key Vault Secrets User', principalId, vault })
      delete patient.parameters.clientID
      const data = { clientid: btoa(clientId), clientsecret: btoa('of-last-year') }
      const labels = { 'secrets-store.csi.k8s.io/used': 'true' }
      await create(patient, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace, name: 'principal', labels },
        data,
      })
      await fails(patient, { csi: { nodePublishSecretRef: { name: 'principal' } } })
    },
  },
  {
    what: 'the Secret of a service principal does not exist',
    finds: 'K3 publish-secret-missing',
    repairs: false,
    async plant(patient) {
      delete patient.parameters.clientID
      await fails(patient, { csi: { nodePublishSecretRef: { name: 'principal' } } })
    },
  },
  wrongClass('the name of the vault is misspelt', 'V1 vault-missing', ({ vault }) => ({ keyvaultName: `${vault}s` })),
  {
    what: 'the vault was deleted',
    finds: 'V1 vault-deleted',
    // The command recovers it without its role assignments, as Azure does: the role is the next thing that is wrong.
    repairs: false,
    async plant(patient) {
      await patient.lab.azure.resourceManager.delete(vaultPath(patient), vaults)
      await fails(patient)
    },
  },
  {
    what: 'the firewall of the vault keeps the node out',
    finds: 'V1 vault-firewall',
    repairs: false,
    async plant(patient) {
      const networkAcls = { defaultAction: 'Deny', bypass: 'None' }
      await patient.lab.azure.resourceManager.patch(vaultPath(patient), { properties: { networkAcls } }, vaults)
      await fails(patient)
    },
  },
  ...seenBothWays('the secret is disabled', 'V2 vault-object-disabled', disableSecret),
  {
    what: 'the secret was deleted',
    finds: 'V2 vault-object-deleted',
    async plant(patient) {
      const { lab, vault } = patient
      const { code, output } = await lab.shell(`az keyvault secret delete --vault-name ${vault} --name password`)
      assert.equal(code, 0, output)
      await fails(patient)
    },
  },
  wrongClass('the name of the secret is misspelt', 'V2 vault-object-missing', { objects: objectsOf('passwrod') }),
  wrongClass('the version of the secret does not exist', 'V2 object-version-missing', {
    objects: objectsOf('password', `    objectVersion: ${'0123456789abcdef'.repeat(2)}\n`),
  }),
  {
    ...wrongClass('the secret is not JSON, and the class takes a part of it', 'V2 json-path-missing', {
      objects: objectsOf('password', '    jsonPath:\n      - path: $.user\n        objectAlias: user\n'),
    }),
    repairs: false,
  },
  wrongClass('an object of the class has an unknown type', 'K4 parameters-invalid', {
    objects: objectsOf('password').replace('objectType: secret', 'objectType: sekret'),
  }),
  wrongClass('a parameter of the class is misspelt', 'K4 parameters-invalid', ({ vault }) => ({
    keyvaultName: undefined,
    keyvaultname: vault,
  })),
  wrongClass('the class has the URL of the vault in place of its name', 'K4 parameters-invalid', ({ vault }) => ({
    keyvaultName: `https://${vault}.vault.azure.net/`,
  })),
  {
    what: 'the provider of the class is misspelt',
    finds: 'K4 provider-not-found',
    plant: (patient) => fails(patient, { spec: { provider: 'azur' } }),
  },
  {
    what: 'secretObjects of the class name a file that no object has',
    finds: 'K4 secret-objects-invalid',
    plant: (patient) =>
      works(patient, {
        spec: {
          secretObjects: [{ secretName: 'db', type: 'Opaque', data: [{ objectName: 'pasword', key: 'password' }] }],
        },
      }),
  },
  {
    what: 'the volume names a class that is written otherwise',
    finds: 'K3 class-not-found',
    async plant(patient) {
      const wrong = { volumeAttributes: { secretProviderClass: `${name}-class` } }
      const right = classOf(patient)
      right.metadata.name = `${name}-clas`
      await create(patient, right, podOf(patient, wrong))
      await mountFails(patient)
    },
  },
  {
    what: 'the volume of a Deployment names a class that is written otherwise',
    finds: 'K3 class-not-found',
    target: `deployment/${name}`,
    words: [],
    async plant(patient) {
      const right = classOf(patient)
      right.metadata.name = 'orders-db'
      await create(patient, right)
      await create(patient, deploymentOf(patient, { volumeAttributes: { secretProviderClass: 'order-db' } }))
      await mountFails(patient)
    },
    repaired: runs,
  },
  {
    what: 'the class is in another namespace',
    finds: 'K3 class-not-found',
    async plant(patient) {
      const there = `${patient.namespace}-shared`
      const { kube } = patient.lab
      await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: there } })
      const object = classOf(patient)
      object.metadata = { namespace: there, name: `class-of-${patient.namespace}` }
      const csi = { volumeAttributes: { secretProviderClass: object.metadata.name } }
      await create(patient, object, podOf(patient, csi))
      await mountFails(patient)
    },
  },
  {
    what: 'the volume names a driver that does not exist',
    finds: 'K3 driver-name-wrong',
    plant: (patient) => fails(patient, { csi: { driver: 'secret-store.csi.k8s.io' } }),
  },
  {
    what: 'the volume may be written to',
    finds: 'K3 volume-not-read-only',
    plant: (patient) => fails(patient, { csi: { readOnly: false } }),
  },
  {
    what: 'the service account of a Deployment does not exist',
    finds: 'K3 pod-not-created',
    target: `deployment/${name}`,
    words: [],
    async plant(patient) {
      const { kube } = patient.lab
      await kube.delete(resources.serviceAccounts, { namespace: patient.namespace, name })
      await create(patient, classOf(patient), deploymentOf(patient))
      await waitForEvent(patient, 'FailedCreate')
    },
    repaired: runs,
  },
  {
    what: 'a role was taken away while the pod runs',
    finds: 'I9 vault-forbidden',
    async plant(patient) {
      const { lab, namespace } = patient
      await works(patient)
      await removeRole(patient)
      const rotated = await lab.keymount('rotate', name, '-n', namespace)
      assert.equal(rotated.code, 1, rotated.stdout)
    },
    async repaired({ lab, namespace }) {
      const { code, stdout } = await lab.keymount('rotate', name, '-n', namespace)
      assert.equal(code, 0, stdout)
    },
  },
  {
    what: 'the Secret of the class belongs to something else',
    finds: 'S1 secret-foreign',
    async plant(patient) {
      const metadata = { namespace: patient.namespace, name: 'db' }
      await create(patient, { apiVersion: 'v1', kind: 'Secret', metadata, data: { password: btoa('other') } })
      await works(patient, {
        spec: {
          secretObjects: [{ secretName: 'db', type: 'Opaque', data: [{ objectName: 'password', key: 'password' }] }],
        },
      })
    },
  },
  {
    what: 'the annotation about restarts cannot be read',
    finds: 'R1 restart-misconfigured',
    target: `deployment/${name}`,
    async plant(patient) {
      await create(patient, classOf(patient))
      await create(
        patient,
        deploymentOf(
          patient,
          {},
          { 'keymount.dev/restart-on-rotation': 'true', 'keymount.dev/restart-window': '25:00' },
        ),
      )
      await runs(patient)
    },
    repaired: runs,
  },
]

/** Faults of the whole cluster: one after the other, after all others. */
const clusterFaults: readonly Fault[] = [
  {
    what: 'the CSIDriver object asks for no token of Entra’s audience',
    finds: 'K1 csidriver-audience-missing',
    async plant(patient) {
      const patch = { spec: { tokenRequests: [{ audience: 'api://AKSIdentityBinding' }] } }
      await patient.lab.kube.patch(resources.csiDrivers, { name: 'secrets-store.csi.k8s.io' }, patch)
      await fails(patient)
    },
  },
  {
    what: 'the CSIDriver object does not ask for a repetition',
    finds: 'K1 csidriver-republish-off',
    async plant(patient) {
      const patch = { spec: { requiresRepublish: false } }
      await patient.lab.kube.patch(resources.csiDrivers, { name: 'secrets-store.csi.k8s.io' }, patch)
      await works(patient)
    },
  },
  ...(['driver', 'provider'] as const).map(
    (program): Fault => ({
      what: `the DaemonSet of the ${program} selects other nodes`,
      finds: `K2 ${program}-not-on-node`,
      async plant(patient) {
        const set = `aks-secrets-store-${program === 'driver' ? 'csi-driver' : 'provider-azure'}`
        // A label for each: the second command must not undo the first.
        const nodeSelector = { [`example.com/${program}`]: 'here' }
        await patient.lab.kube.patch(
          resources.daemonSets,
          { namespace: 'kube-system', name: set },
          { spec: { template: { spec: { nodeSelector } } } },
        )
        await waitForNoPod(patient, set)
        await fails(patient)
      },
    }),
  ),
]

async function waitForEvent({ lab: { kube }, namespace }: Patient, reason: string): Promise<void> {
  await until(`an event ${reason} in ${namespace}`, async () => {
    const { items } = await kube.list(resources.events, { namespace })
    return items.some((event) => event.reason === reason)
  })
}

async function waitForNoPod({ lab: { kube } }: Patient, daemonSet: string): Promise<void> {
  await until(`no pod of ${daemonSet} is left`, async () => {
    const { items } = await kube.list(resources.pods, { namespace: 'kube-system' })
    return !items.some(({ metadata }) => metadata.name?.startsWith(daemonSet))
  })
}

/** Plants the fault, examines, runs the first command unchanged. Whether that repaired it. */
async function treat(lab: DoctorLab, fault: Fault, id: string): Promise<boolean> {
  const { finds, target = `pod/${name}`, words = ['--azure'], repairs } = fault
  const patient = await admit(lab, id)
  await fault.plant(patient)
  const { wrong, steps } = await examine(patient, target, ...words)
  const table = steps.map((row) => `${row.id} ${row.state} ${row.code ?? ''} ${row.found ?? ''}`).join('\n')
  assert.equal(`${wrong?.id} ${wrong?.code}`, finds, table)
  const [command = ''] = wrong?.fix ?? []
  if (repairs === false) return false
  const { code: status, output } = await lab.shell(command)
  assert.equal(status, 0, `$ ${command}\n${output}`)
  let again = target
  if (fault.repaired === undefined) again = `pod/${await startAgain(patient)}`
  else await fault.repaired(patient)
  // A pod of a DaemonSet is ready a moment after it serves the first mount.
  const [step] = finds.split(' ')
  await until(`${step} is right after ${command}`, async () => {
    const after = await examine(patient, again, ...words)
    return after.steps.find((row) => row.id === step)?.state !== 'fail'
  })
  return true
}

test('the doctor names step and code of every planted fault, and its first command repairs it where a command can', {
  skip,
  concurrency: 3,
  // Half of the time is az; a machine that does other work needs more than the limit of one test.
  timeout: 1_200_000,
}, async (t) => {
  const lab = await startDoctorLab(t)
  let repaired = 0
  const run = (fault: Fault, id: string) =>
    t.test(fault.what, async () => {
      if (await treat(lab, fault, id)) repaired++
    })
  await Promise.all(faults.map((fault, index) => run(fault, `f${index}`)))
  for (const [index, fault] of clusterFaults.entries()) await run(fault, `c${index}`)
  const all = faults.length + clusterFaults.length
  t.diagnostic(`${all} faults, ${repaired} of them repaired by the first command`)
  assert.ok(all >= 30 && repaired >= 25, `${all} faults, ${repaired} repaired`)
})
