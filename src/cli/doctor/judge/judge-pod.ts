import type { Volume } from '#kubernetes/client'
import { driverName } from '#lab/home'
import { nearestName } from '#lib'
import { commandLine, countOf } from '#terminal'
import { pinnedMounts } from '../../cluster/pinned-mounts.ts'
import { changeVolume } from '../pod-commands.ts'
import type { PodFacts } from '../pod-facts.ts'
import { fail, fine, notKnown, type Observation, warn } from '../step.ts'
import { judgeEnvFiles } from './judge-env-files.ts'

/** K3: the volumes of the pod, and whether it has a node. */
export function judgePod(facts: PodFacts): Observation[] {
  const { pod } = facts.cluster
  const { volumes = [] } = pod.spec
  const ours = volumes.filter(({ csi }) => csi?.driver === driverName)
  const scheduling = facts.reports.filter(({ code }) => code === 'pod-not-scheduled')
  const observations = [
    ...volumes.flatMap((volume) => judgeDriverName(volume, facts)),
    ...ours.flatMap((volume) => [...judgeVolume(volume, facts), ...judgeSecretRef(volume, facts)]),
    ...(pod.spec.nodeName ? [] : scheduling.map(({ code, text }) => fail(code, text))),
    ...judgeEnvFiles(facts),
    ...judgeWaiting(facts),
    ...pinnedMounts(pod).map(({ container, mountPath }) =>
      warn(
        'mounted-by-subpath',
        `${mountPath} in container ${container} is mounted by subPath: it keeps its content until the container restarts`,
      ),
    ),
  ]
  if (ours.length === 0 && observations.length === 0) {
    return [fine('no volume of the pod is of this driver; what follows is about its sign-in alone')]
  }
  return [...observations, fine(`${pod.status?.phase ?? 'Unknown'}, with ${countOf(ours.length, 'volume')} of a class`)]
}

function judgeDriverName(volume: Volume, { cluster: { pod, owner } }: PodFacts): Observation[] {
  const found = volume.csi?.driver ?? driverName
  const isNear = found !== driverName && nearestName(found, [driverName]) !== undefined
  if (!isNear) return []
  const replace = { field: 'driver', found: JSON.stringify(found), wanted: JSON.stringify(driverName) }
  const fix = changeVolume(pod, owner, { volume: volume.name, csi: { driver: driverName }, replace })
  return [
    fail('driver-name-wrong', `volume ${volume.name} names the driver ${found}; did you mean ${driverName}?`, [fix]),
  ]
}

function judgeVolume(volume: Volume, facts: PodFacts): Observation[] {
  const { pod, owner } = facts.cluster
  const readOnly = volume.csi?.readOnly === true
  const replace = { field: 'readOnly', found: 'false', wanted: 'true' }
  const notReadOnly = readOnly
    ? []
    : [
        fail('volume-not-read-only', `volume ${volume.name} is not readOnly: true`, [
          changeVolume(pod, owner, { volume: volume.name, csi: { readOnly: true }, replace }),
        ]),
      ]
  return [...notReadOnly, ...judgeClassName(volume, facts)]
}

function judgeClassName(volume: Volume, facts: PodFacts): Observation[] {
  const { classes, classNames, pod, owner } = facts.cluster
  const mounted = classes.find((one) => one.volume === volume)
  if (mounted === undefined || 'why' in mounted.class || mounted.class.value !== undefined) return []
  const { className } = mounted
  const { namespace = '' } = pod.metadata
  if (className === '') return [fail('class-not-found', `volume ${volume.name} names no class (secretProviderClass)`)]
  const missing = `there is no SecretProviderClass "${className}" in namespace ${namespace}`
  const other = facts.elsewhere.get(className)
  if (other !== undefined) {
    const { namespace: there, labels } = other.metadata
    const metadata = { name: className, namespace, labels }
    // Not echo: that of some shells reads the \n of the text.
    const copy = commandLine('printf', '%s', JSON.stringify({ ...other, metadata }))
    const text = `${missing}; namespace ${there} has one, and a pod can only use a class of its own namespace`
    return [fail('class-not-found', text, [`${copy} | kubectl apply --filename -`])]
  }
  const near = nearestName(className, classNames)
  if (near === undefined) {
    return [fail('class-not-found', missing, ['kubectl get secretproviderclass --all-namespaces'])]
  }
  const replace = {
    field: 'secretProviderClass',
    found: JSON.stringify(className),
    wanted: JSON.stringify(near),
  }
  const csi = { driver: driverName, volumeAttributes: { secretProviderClass: near } }
  const fix = changeVolume(pod, owner, { volume: volume.name, csi, replace })
  return [fail('class-not-found', `${missing}; did you mean ${near}?`, [fix])]
}

/** The Secret of a service principal. */
function judgeSecretRef(volume: Volume, { secrets, cluster: { pod } }: PodFacts): Observation[] {
  const name = volume.csi?.nodePublishSecretRef?.name
  const found = name === undefined ? undefined : secrets.get(name)
  if (name === undefined || found === undefined) return []
  if ('why' in found) return [notKnown(`Secret ${name}: ${found.why}`)]
  if (found.value !== undefined) return []
  const { namespace = '' } = pod.metadata
  const values = ['--from-literal=clientid=CLIENT_ID', '--from-literal=clientsecret=CLIENT_SECRET']
  return [
    fail(
      'publish-secret-missing',
      `the Secret ${name} of nodePublishSecretRef does not exist in namespace ${namespace}`,
      [commandLine('kubectl', 'create', 'secret', 'generic', name, '--namespace', namespace, ...values)],
    ),
  ]
}

/** Reasons that have nothing to do with a volume. A missing Secret is judged at its own step. */
function judgeWaiting({ cluster: { pod } }: PodFacts): Observation[] {
  const waiting = (pod.status?.containerStatuses ?? []).flatMap(({ name, state }) =>
    state?.waiting === undefined ? [] : [{ name, ...state.waiting }],
  )
  return waiting
    .filter(
      ({ reason = '' }) => !['ContainerCreating', 'PodInitializing', 'CreateContainerConfigError', ''].includes(reason),
    )
    .map(({ name, reason, message }) =>
      warn('pod-waits', `container ${name} waits: ${[reason, message].filter(Boolean).join(': ')}`, [
        commandLine('kubectl', 'describe', 'pod', pod.metadata.name ?? '', '--namespace', pod.metadata.namespace ?? ''),
      ]),
    )
}
