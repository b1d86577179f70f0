import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import {
  type Pod,
  resourceOf,
  resources,
  type SecretProviderClassPodStatus,
  type UntypedObject,
} from '#kubernetes/client'
import { findLocalCluster, type Identity, mountsBelow } from '#lab/home'
import { mountFailureText } from '../cluster/failure-text.ts'
import {
  check,
  type DemoContext,
  deletePod,
  names,
  podEvents,
  podReady,
  podRef,
  readFileInPod,
  until,
} from './demo-context.ts'
import { setClassInterval, startPush } from './push.ts'

const values = {
  first: 'MyAKSExampleSecret',
  second: 'a new value, set while the pod runs',
  third: 'pushed by an event',
} as const

const subjects = {
  /** Of the tokens of the example's pod. */
  right: `system:serviceaccount:${names.namespace}:${names.serviceAccount}`,
  wrong: 'system:serviceaccount:default:another-account',
} as const

/** The steps of the demo. Each prints what it has checked, and throws if a check fails. */
export async function showMainJob(context: DemoContext): Promise<void> {
  const { step } = context.terminal
  const asItIs = (text: string) => text
  await step('Vault', () => createVault(context), asItIs)
  const identity = await step('Identity', () => createIdentity(context), describeIdentity)
  const pod = await step('Pod', () => startExample(context, identity), describePod)
  await step('File', () => readFirstValue(context), asItIs)
  const mounted = await step('Status object', () => readStatus(context), describeStatus)
  await step('New value', () => rotate(context, mounted), asItIs)
  await step('Event', () => push(context), asItIs)
  await step('Wrong subject', () => breakSubject(context), asItIs)
  await step('Fixed', () => fixSubject(context), asItIs)
  await step('Pod deleted', () => unmount(context, pod), asItIs)
}

/** As in Azure, the owner of a subscription has no right to read from a vault until it assigns itself a role. */
async function createVault({ azure }: DemoContext): Promise<string> {
  await azure.createResourceGroup()
  await azure.createVault(names.vault)
  const role = 'Key Vault Secrets Officer'
  await azure.assignRole({ role, principalId: await azure.principalId(), vault: names.vault })
  await azure.setSecret(names.vault, names.secret, values.first)
  return `secret ${names.secret} in https://${names.vault}.vault.azure.net`
}

async function createIdentity(context: DemoContext): Promise<Identity> {
  const { azure } = context
  const identity = await azure.createIdentity(names.identity)
  await expectSubject(context, subjects.right)
  await azure.assignRole({ role: 'Key Vault Secrets User', principalId: identity.principalId, vault: names.vault })
  return identity
}

function describeIdentity({ clientId }: Identity): string {
  return `user-assigned, client ${clientId}, "Key Vault Secrets User" on the vault,\nfederated with ${subjects.right}`
}

async function startExample(context: DemoContext, { clientId }: Identity): Promise<Pod> {
  const placeholders = {
    USER_ASSIGNED_CLIENT_ID: clientId,
    KEYVAULT_NAME: names.vault,
    IDENTITY_TENANT: context.azure.tenantId,
  }
  for (const file of ['1-serviceaccount.yaml', '2-secretproviderclass.yaml']) {
    await applyExample(context, file, placeholders)
  }
  return startPod(context)
}

async function startPod(context: DemoContext): Promise<Pod> {
  await applyExample(context, '3-pod.yaml', {})
  return podReady(context)
}

function describePod({ metadata, status }: Pod): string {
  return `${metadata.name} is ${status?.phase} (examples/workload-identity/)`
}

async function readFirstValue(context: DemoContext): Promise<string> {
  const text = await readFileInPod(context)
  check(text === values.first, `the file contains "${values.first}"`, `"${text}"`)
  return `in the container, cat ${names.file}\nprints ${text}`
}

async function readStatus({ kube }: DemoContext): Promise<SecretProviderClassPodStatus> {
  const status = await kube.get(resources.secretProviderClassPodStatuses, {
    namespace: names.namespace,
    name: `${names.pod}-${names.namespace}-${names.class}`,
  })
  const ids = status.status?.objects?.map(({ id }) => id) ?? []
  check(status.status?.mounted === true, 'the status object has mounted: true', JSON.stringify(status.status))
  check(ids.includes(`secret/${names.secret}`), `it lists secret/${names.secret}`, ids.join(', '))
  return status
}

function describeStatus({ metadata, status }: SecretProviderClassPodStatus): string {
  const objects = status?.objects?.map(({ id, version }) => `${id}, version ${version}`) ?? []
  return [`SecretProviderClassPodStatus ${metadata.name}:`, ...objects].join('\n')
}

async function rotate(context: DemoContext, before: SecretProviderClassPodStatus): Promise<string> {
  await context.azure.setSecret(names.vault, names.secret, values.second)
  await until(context, 'the file in the container has the new value', async () => {
    const text = await readFileInPod(context)
    check(text === values.first || text === values.second, 'the file contains the old or the new value', `"${text}"`)
    return text === values.second ? true : undefined
  })
  const version = (status: SecretProviderClassPodStatus) => status.status?.objects?.[0]?.version
  const after = await until(context, 'the status object has the new version', async () => {
    const status = await readStatus(context)
    return version(status) === version(before) ? undefined : version(status)
  })
  return `the file changes to: ${values.second}\n(version ${after}, without a restart of the pod)`
}

/** The class is read once an hour, so what comes within seconds came by the event. */
async function push(context: DemoContext): Promise<string> {
  await setClassInterval(context, '1h')
  const operator = await startPush(context)
  try {
    const startedAt = performance.now()
    await context.azure.setSecret(names.vault, names.secret, values.third)
    await until(context, 'the file in the container has the value of the event', async () =>
      (await readFileInPod(context)) === values.third ? true : undefined,
    )
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    return `the class is read once an hour, and the file changes after ${seconds} s:\nvault, Event Grid, queue, operator, driver, file`
  } finally {
    await operator.stop()
    await setClassInterval(context, undefined)
  }
}

async function breakSubject(context: DemoContext): Promise<string> {
  await expectSubject(context, subjects.wrong)
  await deletePod(context)
  await applyExample(context, '3-pod.yaml', {})
  const message = await until(context, 'an event of the pod names both subjects', async () => {
    const events = await podEvents(context)
    const both = (text: string) => text.includes(subjects.right) && text.includes(subjects.wrong)
    return events.find((event) => event.reason === 'FailedMount' && both(event.message ?? ''))?.message
  })
  const { status } = await context.kube.get(resources.pods, podRef)
  check(status?.phase === 'Pending', 'the pod is Pending', `${status?.phase}`)
  return `the pod waits, with the event FailedMount:\n${mountFailureText(message)}`
}

async function fixSubject(context: DemoContext): Promise<string> {
  await expectSubject(context, subjects.right)
  await podReady(context)
  const text = await readFileInPod(context)
  check(text === values.third, `the file contains "${values.third}"`, `"${text}"`)
  return 'the federated credential is correct again, and the pod has started by itself'
}

async function unmount(context: DemoContext, { metadata }: Pod): Promise<string> {
  const { items } = await context.kube.list(resources.pods, { namespace: names.namespace })
  const uids = [metadata.uid, ...items.map((pod) => pod.metadata.uid)].filter((uid) => uid !== undefined)
  await deletePod(context)
  await until(context, 'the volume is unmounted', async () =>
    volumesOf(context, uids).length === 0 ? true : undefined,
  )
  await until(context, 'the status object is gone', async () => {
    const statuses = await context.kube.list(resources.secretProviderClassPodStatuses, { namespace: names.namespace })
    return statuses.items.length === 0 ? true : undefined
  })
  return 'its volume is unmounted, its status object is gone'
}

/** CSI volumes of these pods that are still mounted. */
function volumesOf({ home, lab }: DemoContext, uids: readonly string[]): string[] {
  const cluster = findLocalCluster(home)
  const mounts = cluster === undefined ? [] : mountsBelow(cluster.pid, lab.cluster.kubeletRoot)
  return mounts
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => path.includes('kubernetes.io~csi') && uids.some((uid) => path.includes(uid)))
}

/** Sets which service account the identity's federated credential is for. */
async function expectSubject({ azure, lab }: Pick<DemoContext, 'azure' | 'lab'>, subject: string): Promise<void> {
  await azure.setFederatedCredential(names.identity, {
    name: names.federatedCredential,
    issuer: lab.cluster.issuer,
    subject,
  })
}

/** Applies a manifest of the example, as `envsubst < FILE | kubectl apply -f -` would. */
async function applyExample(
  { world, kube }: DemoContext,
  file: string,
  placeholders: Record<string, string>,
): Promise<void> {
  const text = readFileSync(join(world.packageRoot, 'examples/workload-identity', file), 'utf8')
  const filled = text.replace(/\$\{(\w+)\}/g, (whole, name: string) => placeholders[name] ?? whole)
  const object = parse(filled) as UntypedObject
  const resource = resourceOf(object)
  if (resource === undefined) throw new Error(`${file}: unknown kind ${object.kind}`)
  const metadata = { namespace: names.namespace, ...object.metadata }
  await kube.apply(resource, { ...object, metadata }, { fieldManager: 'keymount-demo' })
}
