import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type Pod, resources, type SecretProviderClass } from '#kubernetes/client'
import { subjectOf } from '../../src/cli/identity/names.ts'
import { until } from '../support/eventually.ts'
import type { IdentityLab } from './identity-lab.ts'
import { startLabWithAz } from './lab-with-az.ts'

export type DoctorLab = Awaited<ReturnType<typeof startLabWithAz>>

/** What `keymount doctor -o json` prints. */
export interface StepRow {
  id: string
  title: string
  state: string
  code?: string
  found?: string
  fix?: string[]
}

/** A pod in a namespace of its own with its own class, vault and identity, in which one thing is about to be wrong. */
export interface Patient<Lab extends IdentityLab = DoctorLab> {
  lab: Lab
  namespace: string
  vault: string
  /** Name of the managed identity, the federated credential's subject is `NAMESPACE:app`. */
  identity: string
  clientId: string
  principalId: string
  /** Of the class; to be changed before {@link Patient.createClass}. */
  parameters: Record<string, string>
}

/** The name of every pod, class and service account. */
export const name = 'app'

/** One lab for all faults, with the right to write Secrets, and az signed in. */
export function startDoctorLab(t: TestContext): Promise<DoctorLab> {
  return startLabWithAz(t, '--secret-sync')
}

/** A namespace with a service account, a vault with the secret `password`, and an identity that may read it. */
export async function admit<Lab extends IdentityLab>(lab: Lab, id: string): Promise<Patient<Lab>> {
  const { azure, kube, issuer } = lab
  const [namespace, vault, identity] = [id, `kv-${id}`, `id-${id}`]
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await kube.create(resources.serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name },
  })
  const [{ clientId, principalId }] = await Promise.all([azure.createIdentity(identity), azure.createVault(vault)])
  const subject = subjectOf({ namespace, name })
  await azure.setFederatedCredential(identity, { name: 'keymount', issuer, subject })
  await azure.assignRole({ role: 'Key Vault Secrets User', principalId, vault })
  await azure.assignRole({ role: 'Key Vault Secrets Officer', principalId: await azure.principalId(), vault })
  await azure.setSecret(vault, 'password', 'hunter2')
  const parameters = {
    keyvaultName: vault,
    clientID: clientId,
    tenantID: azure.tenantId,
    objects: objectsOf('password'),
  }
  return { lab, namespace, vault, identity, clientId, principalId, parameters }
}

export function objectsOf(objectName: string, more = ''): string {
  return `array:\n  - |\n    objectName: ${objectName}\n    objectType: secret\n${more}`
}

export function classOf({ namespace, parameters }: Patient<IdentityLab>, spec: object = {}): SecretProviderClass {
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace, name },
    spec: { provider: 'azure', parameters, ...spec },
  }
}

export function podOf({ namespace }: Patient<IdentityLab>, csi: object = {}): Pod {
  const volume = {
    driver: 'secrets-store.csi.k8s.io',
    readOnly: true,
    volumeAttributes: { secretProviderClass: name },
    ...csi,
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: name } },
    spec: {
      serviceAccountName: name,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4',
          command: ['sleep', '3600'],
          volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets', readOnly: true }],
        },
      ],
      volumes: [{ name: 'secrets', csi: volume }],
    },
  }
}

/** A Deployment of the same pod. */
export function deploymentOf(
  patient: Patient<IdentityLab>,
  csi: object = {},
  annotations: Record<string, string> = {},
) {
  const { spec } = podOf(patient, csi)
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: patient.namespace, name, annotations },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec },
    },
  }
}

export async function create({ lab: { kube } }: Patient<IdentityLab>, ...objects: object[]): Promise<void> {
  for (const object of objects) {
    const { kind } = object as { kind: string }
    const row = Object.values(resources).find((one) => one.kind === kind)
    assert.ok(row, kind)
    await kube.create(row as never, object as never)
  }
}

/** The first of the pods that are not on their way out. */
async function currentPod({ lab: { kube }, namespace }: Patient<IdentityLab>): Promise<Pod | undefined> {
  const { items } = await kube.list(resources.pods, { namespace })
  return items.find(({ metadata }) => metadata.deletionTimestamp === undefined)
}

/** Waits until kubelet has reported that a volume cannot be mounted. */
export async function mountFails(patient: Patient<IdentityLab>): Promise<void> {
  const { kube } = patient.lab
  await until(`the mount in ${patient.namespace} has failed`, async () => {
    const { items } = await kube.list(resources.events, { namespace: patient.namespace })
    return items.some(({ reason }) => reason === 'FailedMount')
  })
}

export async function runs(patient: Patient<IdentityLab>): Promise<void> {
  await until(`a pod in ${patient.namespace} is ready`, async () => {
    const pod = await currentPod(patient)
    return pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  })
}

/**
 * Starts the pod as it is now under another name, without kubelet's growing pauses between attempts, and waits until
 * it is ready. Gives its name.
 */
export async function startAgain(patient: Patient<IdentityLab>): Promise<string> {
  const { kube } = patient.lab
  const pod = await currentPod(patient)
  assert.ok(pod)
  const { nodeName: _, ...spec } = pod.spec
  const metadata = { namespace: patient.namespace, name: `${name}-again`, labels: pod.metadata.labels ?? {} }
  await kube.create(resources.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec })
  await until(`${metadata.name} in ${patient.namespace} is ready`, async () => {
    const { status } = await kube.get(resources.pods, metadata)
    return status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')
  })
  return metadata.name
}

/** Runs the doctor; the step that is wrong, or the first to know. */
export async function examine(
  { lab, namespace }: Patient<IdentityLab>,
  target: string,
  ...words: string[]
): Promise<{ code: number; wrong: StepRow | undefined; steps: StepRow[] }> {
  const { code, stdout, stderr } = await lab.keymount('doctor', target, '-n', namespace, '-o', 'json', ...words)
  assert.notEqual(code, 2, stderr)
  const { steps } = JSON.parse(stdout) as { steps: StepRow[] }
  assert.doesNotMatch(stdout, /hunter2|eyJ/)
  return {
    code,
    steps,
    wrong: steps.find(({ state }) => state === 'fail') ?? steps.find(({ state }) => state === 'warn'),
  }
}
