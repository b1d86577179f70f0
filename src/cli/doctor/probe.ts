import { randomBytes } from 'node:crypto'
import { type Container, type KubeClient, type Pod, resources } from '#kubernetes/client'
import { poll } from '#lib/async'

import { parseJson, recordOf } from '#lib/formats'
import { attempt } from '../answer.ts'
import { classVolumes } from '../cluster/class-volumes.ts'
import { fixOfReport } from './fix-of-report.ts'
import type { PodFacts } from './pod-facts.ts'
import { driverApp, providerApp } from './product-facts.ts'
import { reportsOf } from './reports.ts'
import { fine, notKnown, type Observed } from './step.ts'

/** Marks the pods of `--probe`, so that a later run deletes what an earlier one could not. */
const probeLabel = 'keymount.dev/doctor-probe'

const probeMs = 60_000
const pollMs = 500
/** Older ones are of a run that was killed. */
const sweepMs = 300_000
const deleteMs = 10_000

export interface Probed {
  observed: Observed
  notes: readonly string[]
}

export interface ProbeOptions {
  signal: AbortSignal
  /** Whether Azure is examined too: a closer look there is no advice then. */
  isAzureGiven: boolean
}

/**
 * Starts a pod with the same service account, labels and volumes on the same node, waits until it has mounted them or fails,
 * and deletes it, whatever happens. It lists names and rounded sizes of files; it never reads one.
 */
export async function probePod(
  kube: KubeClient,
  facts: PodFacts,
  { signal, isAzureGiven }: ProbeOptions,
): Promise<Probed> {
  await sweep(kube, facts)
  const image = imageOf(facts)
  const volumes = classVolumes(facts.cluster.pod.spec)
  if (volumes.length === 0) return { observed: {}, notes: ['The pod mounts no class: there is nothing to probe.'] }
  if (image === undefined) {
    return {
      observed: {},
      notes: ['The probe needs the image of Keymount, and no pod of it runs on the node of the pod.'],
    }
  }
  const pod = probeOf(facts, image)
  const ref = { namespace: facts.ref.namespace, name: pod.metadata.name ?? '' }
  try {
    await kube.create(resources.pods, pod, { signal, timeoutMs: 10_000 })
    return await watchProbe(kube, facts, ref, { signal, isAzureGiven })
  } finally {
    // With a deadline of its own: the user may have pressed Ctrl-C.
    const timeLimit = AbortSignal.timeout(deleteMs)
    await attempt(() => kube.delete(resources.pods, ref, { gracePeriodSeconds: 0, signal: timeLimit }))
  }
}

async function sweep(kube: KubeClient, { ref: { namespace }, nowMs }: PodFacts): Promise<void> {
  const found = await attempt(() => kube.list(resources.pods, { namespace, labelSelector: probeLabel }))
  const old = ('value' in found ? found.value.items : []).filter(
    ({ metadata }) => nowMs - Date.parse(metadata.creationTimestamp ?? '') > sweepMs,
  )
  await Promise.all(
    old.map(({ metadata: { name = '' } }) =>
      attempt(() => kube.delete(resources.pods, { namespace, name }, { gracePeriodSeconds: 0 })),
    ),
  )
}

/** That of our own pods on the node: it is there already. */
function imageOf({ node }: PodFacts): string | undefined {
  const pods = node !== undefined && 'value' in node.pods ? node.pods.value : []
  const ours = pods.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === 'keymount')
  const rank = ({ metadata }: Pod) => (metadata.labels?.app === providerApp ? 0 : 1)
  const [pod] = ours.toSorted((a, b) => rank(a) - rank(b))
  return pod?.spec.containers.find(({ name }) => isOurs(name))?.image ?? pod?.spec.containers[0]?.image
}

function isOurs(container: string): boolean {
  return container === 'provider-azure-installer' || container === 'secrets-store' || container === driverApp
}

/** A script that prints names of files, and sizes in steps of 64 bytes: a length can be a secret too. */
function listFiles(directories: readonly string[]): string {
  return `const fs=require('fs'),files=[];
for(const dir of ${JSON.stringify(directories)})for(const entry of fs.readdirSync(dir,{recursive:true})){
if(String(entry).startsWith('..'))continue;const stat=fs.statSync(dir+'/'+entry);
if(stat.isFile()&&files.length<100)files.push({path:String(entry),size:Math.ceil(stat.size/64)*64})}
console.log(JSON.stringify({files}))`
}

function probeOf({ cluster: { pod }, ref }: PodFacts, image: string): Pod {
  const { spec, metadata } = pod
  const volumes = classVolumes(spec).map(({ volume }) => volume)
  const mounts = volumes.map(({ name }, index) => ({ name, mountPath: `/probe/${index}`, readOnly: true }))
  const container: Container = {
    name: 'probe',
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/local/bin/node', '-e', listFiles(mounts.map(({ mountPath }) => mountPath))],
    volumeMounts: mounts,
    resources: { limits: { memory: '128Mi' }, requests: { cpu: '10m', memory: '32Mi' } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: ref.namespace,
      name: `keymount-doctor-${randomBytes(4).toString('hex')}`,
      labels: { ...withoutController(metadata.labels), [probeLabel]: 'true' },
      // Owned by the pod that it stands for: no ReplicaSet or DaemonSet adopts it, and it goes when that pod goes.
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Pod', name: metadata.name ?? '', uid: metadata.uid ?? '', controller: true },
      ],
    },
    spec: {
      ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      serviceAccountName: spec.serviceAccountName ?? 'default',
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      activeDeadlineSeconds: 90,
      tolerations: [{ operator: 'Exists' }],
      // It is never ready, so no Service sends it a request.
      readinessGates: [{ conditionType: 'keymount.dev/never-ready' }],
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, ...spec.securityContext },
      volumes,
      containers: [container],
    } as Pod['spec'],
  }
}

/** Labels that controllers count their pods by. */
const controllerLabels =
  /^(pod-template-hash|controller-revision-hash|controller-uid|job-name|statefulset\.kubernetes\.io\/|apps\.kubernetes\.io\/|batch\.kubernetes\.io\/)/

function withoutController(labels: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !controllerLabels.test(key)))
}

async function watchProbe(
  kube: KubeClient,
  facts: PodFacts,
  ref: { namespace: string; name: string },
  { signal, isAzureGiven }: ProbeOptions,
): Promise<Probed> {
  const ask = async (): Promise<Probed | undefined> => {
    const pod = await kube.get(resources.pods, ref, { signal })
    const { phase } = pod.status ?? {}
    const fieldSelector = `involvedObject.name=${ref.name}`
    const events = await kube.list(resources.events, { namespace: ref.namespace, fieldSelector, signal })
    const reports = reportsOf(pod, events.items, [])
    if (phase === 'Succeeded') return succeeded(kube, ref, pod)
    if (phase === 'Failed')
      return { observed: {}, notes: [`The probe ended with an error: ${pod.status?.message ?? 'see its log'}`] }
    const [report] = reports
    if (report !== undefined) {
      const fix = fixOfReport(report, facts, isAzureGiven)
      const text = `the probe on the same node: ${report.text}`
      return {
        observed: { [report.step]: [{ state: 'fail', code: report.code, text, fix }] },
        notes: [],
      }
    }
    return undefined
  }
  const late = () => ({ observed: { K3: [notKnown('the probe did not start within 60 s')] }, notes: [] })
  return poll(ask, { everyMs: pollMs, withinMs: probeMs, late, signal })
}

async function succeeded(
  kube: KubeClient,
  { namespace, name }: { namespace: string; name: string },
  pod: Pod,
): Promise<Probed> {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/log?container=probe`
  const log = await attempt(() => kube.raw({ method: 'GET', path }))
  const files = 'value' in log ? filesOf(log.value) : []
  const where = pod.spec.nodeName ?? ''
  const text = `a probe on ${where} has mounted the volumes`
  const list = files.map(({ path: file, size }) => `${file} (up to ${size} bytes)`).join(', ')
  return {
    observed: { V1: [fine(text)], V2: [fine(text)], D1: [fine(`${text}: ${list}`)] },
    notes: [`The probe mounted ${files.length} files: ${list}`],
  }
}

function filesOf(text: string): { path: string; size: number }[] {
  try {
    return (recordOf(parseJson('the list of the probe', text))?.files ?? []) as { path: string; size: number }[]
  } catch {
    return []
  }
}
