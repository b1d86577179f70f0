import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { type KubeObject, type Pod, resourceOf, resources, type UntypedObject } from '#kubernetes/client'
import type { LabRole } from '#lab/home'
import { until } from '../support/eventually.ts'
import type { Lab } from '../support/lab.ts'
import { createNamespace } from './namespaces.ts'
import { plant } from './planted.ts'
import { podReady } from './wait.ts'

const examples = join(import.meta.dirname, '../../examples')

/** What one case works with: a namespace of its own, a vault, an identity, and the federation between them. */
export interface Workload {
  namespace: string
  vault: string
  identity: { name: string; clientId: string; principalId: string }
  serviceAccount: string
  className: string
  setSecret(name: string, value: string): Promise<void>
  /** Sets the subject that the identity's federated credential expects. */
  setSubject(subject: string): Promise<void>
  subject: string
  /** Starts a pod that mounts the class at /mnt/secrets-store. */
  startPod(name: string, overrides?: Partial<Pod['spec']>): Promise<void>
  /**
   * Applies a folder of `examples/` in this namespace, with its placeholders filled in, and waits until its pods are Ready.
   * Gives the name of the pod, or of the first one of a Deployment.
   */
  applyExample(folder: string, values?: Record<string, string>): Promise<string>
  /** What the container reads. Throws when the file is not there. */
  read(pod: string, file: string): Promise<string>
}

export interface WorkloadOptions {
  /** Objects of the class. Default: the secret `ExampleSecret`. */
  objects?: string
  parameters?: Record<string, string>
  /** Subject of the federated credential. Default: the service account's. */
  subject?: string
  /** Of the identity on the vault. Default: `Key Vault Secrets User`. */
  roles?: readonly LabRole['role'][]
}

const exampleObjects = ['array:', '  - |', '    objectName: ExampleSecret', '    objectType: secret', ''].join('\n')

/** Everything that a pod needs to mount secrets by workload identity, with names that no other case uses. */
export async function createWorkload(lab: Lab, label: string, options: WorkloadOptions = {}): Promise<Workload> {
  const namespace = await createNamespace(lab, label)
  const unique = namespace.slice(-6)
  const vault = `kv-${label.slice(0, 10)}-${unique}`
  const serviceAccount = 'workload-identity-sa'
  const className = 'azure-kvname-wi'
  const subject = `system:serviceaccount:${namespace}:${serviceAccount}`

  await lab.azure.createVault(vault)
  const identity = { name: `id-${label}-${unique}`, ...(await lab.azure.createIdentity(`id-${label}-${unique}`)) }
  await lab.azure.setFederatedCredential(identity.name, {
    name: 'pod',
    issuer: lab.issuer,
    subject: options.subject ?? subject,
  })
  const { principalId } = identity
  const { roles = ['Key Vault Secrets User'] } = options
  await Promise.all(roles.map((role) => lab.azure.assignRole({ principalId, role, vault })))

  const known = {
    USER_ASSIGNED_CLIENT_ID: identity.clientId,
    KEYVAULT_NAME: vault,
    IDENTITY_TENANT: lab.azure.tenantId,
  }
  const [account] = example('workload-identity/1-serviceaccount.yaml', known)
  const [secretClass] = example('workload-identity/2-secretproviderclass.yaml', known)
  const spec = (secretClass?.spec ?? {}) as { parameters?: Record<string, string> }
  spec.parameters = { ...spec.parameters, objects: options.objects ?? exampleObjects, ...options.parameters }
  for (const object of [account, secretClass]) {
    if (object !== undefined) await apply(lab, { ...object, metadata: { ...object.metadata, namespace } })
  }

  return {
    namespace,
    vault,
    identity,
    serviceAccount,
    className,
    subject,
    setSecret: (name, value) => lab.azure.setSecret(vault, name, plant(value)),
    setSubject: (expected) =>
      lab.azure.setFederatedCredential(identity.name, { name: 'pod', issuer: lab.issuer, subject: expected }),
    async startPod(name, overrides = {}) {
      const [pod] = example('workload-identity/3-pod.yaml', {}) as unknown as [Pod]
      await apply(lab, placed({ ...pod, metadata: { ...pod.metadata, name } }, namespace, overrides))
    },
    async applyExample(folder, values = {}) {
      const files = readdirSync(join(examples, folder)).filter((name) => name.endsWith('.yaml'))
      const objects = files.toSorted().flatMap((name) => example(join(folder, name), { ...known, ...values }))
      for (const object of objects) await apply(lab, placed(object, namespace))
      const pods = (await Promise.all(objects.map((object) => podsOf(lab, namespace, object)))).flat()
      for (const pod of pods) await podReady(lab, namespace, pod)
      return pods[0] ?? ''
    },
    async read(pod, file) {
      const { stdout, stderr, code } = await lab.exec(namespace, pod, undefined, ['cat', `/mnt/secrets-store/${file}`])
      if (code !== 0) throw new Error(`cat ${file} in ${namespace}/${pod} ended with ${code}: ${stderr}`)
      return stdout
    },
  }
}

/** Names of the pods that an applied object is or has. */
async function podsOf(lab: Lab, namespace: string, { kind, metadata, spec }: UntypedObject): Promise<string[]> {
  if (kind === 'Pod') return [metadata.name ?? '']
  if (kind !== 'Deployment') return []
  const { replicas = 1, selector } = spec as { replicas?: number; selector: { matchLabels: Record<string, string> } }
  const labelSelector = Object.entries(selector.matchLabels)
    .map(([label, value]) => `${label}=${value}`)
    .join(',')
  return until(`${replicas} pods of ${metadata.name}`, async () => {
    const { items } = await lab.kube.list(resources.pods, { namespace, labelSelector })
    return items.length === replicas && items.map((pod) => pod.metadata.name ?? '')
  })
}

/** The object in another namespace; its pods end quickly. */
function placed(object: KubeObject, namespace: string, overrides: Partial<Pod['spec']> = {}): UntypedObject {
  const moved = { ...object, metadata: { ...object.metadata, namespace } } as UntypedObject
  const quick = (spec: unknown) => ({ ...(spec as Pod['spec']), terminationGracePeriodSeconds: 1, ...overrides })
  if (moved.kind === 'Pod') return { ...moved, spec: quick(moved.spec) }
  if (moved.kind !== 'Deployment') return moved
  const { template, ...spec } = moved.spec as { template: { spec: unknown } }
  return { ...moved, spec: { ...spec, template: { ...template, spec: quick(template.spec) } } }
}

/** The objects of an example manifest with its placeholders filled in. */
export function example(path: string, values: Record<string, string>): UntypedObject[] {
  const text = readFileSync(join(examples, path), 'utf8').replaceAll(/\$\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${path} has ${placeholder}, which nothing fills in`)
    return value
  })
  return parseAllDocuments(text).map((document) => document.toJS() as UntypedObject)
}

export async function apply(lab: Lab, object: UntypedObject): Promise<void> {
  const resource = resourceOf(object)
  if (resource === undefined) throw new Error(`no resource for ${object.apiVersion} ${object.kind}`)
  await lab.kube.apply(resource, object, { fieldManager: 'e2e' })
}
