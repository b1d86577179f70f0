import { type Pod, resources, type SecretProviderClassPodStatus } from '#kubernetes/client'
import { findLocalCluster, type Identity, mountsBelow } from '#lab/home'
import { mountFailureText } from '../cluster/failure-text.ts'
import {
  applyExample,
  applyExamplePod,
  createExampleIdentity,
  createExampleVault,
  exampleNames,
  examplePod,
  exampleSubject,
  trustSubject,
} from '../example/example.ts'
import { check, type DemoContext, deletePod, podEvents, podReady, readFileInPod, until } from './demo-context.ts'
import { setClassInterval, startPush } from './push.ts'

const values = {
  first: 'MyAKSExampleSecret',
  second: 'a new value, set while the pod runs',
  third: 'pushed by an event',
} as const

/** Of another account than the example's. */
const wrongSubject = 'system:serviceaccount:default:another-account'

/** The steps of the demo. Each prints what it has checked, and throws if a check fails. */
export async function showMainJob(context: DemoContext): Promise<void> {
  const { step } = context.terminal
  const asItIs = (text: string) => text
  await step('Vault', () => createVault(context), asItIs)
  const identity = await step('Identity', () => createExampleIdentity(context), describeIdentity)
  const pod = await step('Pod', () => startExample(context, identity), describePod)
  await step('File', () => readFirstValue(context), asItIs)
  const mounted = await step('Status object', () => readStatus(context), describeStatus)
  await step('New value', () => rotate(context, mounted), asItIs)
  await step('Event', () => push(context), asItIs)
  await step('Wrong subject', () => breakSubject(context), asItIs)
  await step('Fixed', () => fixSubject(context), asItIs)
  await step('Pod deleted', () => unmount(context, pod), asItIs)
}

async function createVault(context: DemoContext): Promise<string> {
  await createExampleVault(context, values.first)
  return `secret ${exampleNames.secret} in https://${context.vault}.vault.azure.net`
}

function describeIdentity({ clientId }: Identity): string {
  return `user-assigned, client ${clientId}, "Key Vault Secrets User" on the vault,\nfederated with ${exampleSubject}`
}

async function startExample(context: DemoContext, identity: Identity): Promise<Pod> {
  await applyExample(context, identity)
  return podReady(context)
}

function describePod({ metadata, status }: Pod): string {
  return `${metadata.name} is ${status?.phase} (examples/workload-identity/)`
}

async function readFirstValue(context: DemoContext): Promise<string> {
  const text = await readFileInPod(context)
  check(text === values.first, `the file contains "${values.first}"`, `"${text}"`)
  return `in the container, cat ${exampleNames.file}\nprints ${text}`
}

async function readStatus({ kube }: DemoContext): Promise<SecretProviderClassPodStatus> {
  const status = await kube.get(resources.secretProviderClassPodStatuses, {
    namespace: exampleNames.namespace,
    name: `${exampleNames.pod}-${exampleNames.namespace}-${exampleNames.class}`,
  })
  const ids = status.status?.objects?.map(({ id }) => id) ?? []
  check(status.status?.mounted === true, 'the status object has mounted: true', JSON.stringify(status.status))
  check(ids.includes(`secret/${exampleNames.secret}`), `it lists secret/${exampleNames.secret}`, ids.join(', '))
  return status
}

function describeStatus({ metadata, status }: SecretProviderClassPodStatus): string {
  const objects = status?.objects?.map(({ id, version }) => `${id}, version ${version}`) ?? []
  return [`SecretProviderClassPodStatus ${metadata.name}:`, ...objects].join('\n')
}

async function rotate(context: DemoContext, before: SecretProviderClassPodStatus): Promise<string> {
  await context.azure.setSecret(context.vault, exampleNames.secret, values.second)
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
    await context.azure.setSecret(context.vault, exampleNames.secret, values.third)
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
  await trustSubject(context, wrongSubject)
  await deletePod(context)
  await applyExamplePod(context)
  const message = await until(context, 'an event of the pod names both subjects', async () => {
    const events = await podEvents(context)
    const both = (text: string) => text.includes(exampleSubject) && text.includes(wrongSubject)
    return events.find((event) => event.reason === 'FailedMount' && both(event.message ?? ''))?.message
  })
  const { status } = await context.kube.get(resources.pods, examplePod)
  check(status?.phase === 'Pending', 'the pod is Pending', `${status?.phase}`)
  return `the pod waits, with the event FailedMount:\n${mountFailureText(message)}`
}

async function fixSubject(context: DemoContext): Promise<string> {
  await trustSubject(context, exampleSubject)
  await podReady(context)
  const text = await readFileInPod(context)
  check(text === values.third, `the file contains "${values.third}"`, `"${text}"`)
  return 'the federated credential is correct again, and the pod has started by itself'
}

async function unmount(context: DemoContext, { metadata }: Pod): Promise<string> {
  const { items } = await context.kube.list(resources.pods, { namespace: exampleNames.namespace })
  const uids = [metadata.uid, ...items.map((pod) => pod.metadata.uid)].filter((uid) => uid !== undefined)
  await deletePod(context)
  await until(context, 'the volume is unmounted', async () =>
    volumesOf(context, uids).length === 0 ? true : undefined,
  )
  await until(context, 'the status object is gone', async () => {
    const statuses = await context.kube.list(resources.secretProviderClassPodStatuses, {
      namespace: exampleNames.namespace,
    })
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
