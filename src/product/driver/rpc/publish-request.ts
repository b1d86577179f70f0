import { isObjectName, objectNameForm } from '#kubernetes/client'
import type {
  NodeGetVolumeStatsRequest,
  NodePublishVolumeRequest,
  NodeUnpublishVolumeRequest,
  VolumeCapability,
} from '#kubernetes/csi'
import { beyondLimit, Problems, SecretValue } from '#lib'
import { driverLimits } from '../driver-limits.ts'

/** A volume context key under which kubelet hands over the pod's service account tokens. */
export const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens'

/** kubelet's request, checked: every field is usable, and what must not be printed cannot be. */
export interface PublishRequest {
  volumeId: string
  targetPath: string
  /** Name of the SecretProviderClass in the pod's namespace. */
  className: string
  pod: { name: string; namespace: string; uid: string }
  /** The volume context without tokens. */
  context: Readonly<Record<string, string>>
  /** Service account tokens by audience, as kubelet's JSON. */
  tokens: SecretValue | undefined
  /** The Secret of `nodePublishSecretRef`; undefined when the volume names none. */
  secrets: Readonly<Record<string, SecretValue>> | undefined
  /** The pod's fsGroup. */
  groupId: number | undefined
}

/** Reads a NodePublishVolumeRequest. Throws {@link ProblemsError} with everything that is wrong with it. */
export function parsePublishRequest(raw: NodePublishVolumeRequest): PublishRequest {
  const rpc = 'NodePublishVolume'
  const problems = new Problems()
  const volumeId = requiredId(raw.volumeId, problems)
  const targetPath = requiredPath('target_path', raw.targetPath, problems)
  const groupId = parseCapability(raw.volumeCapability, problems)
  if (!raw.readonly) problems.add('readonly', 'found false, expected true: set csi.readOnly: true in the pod')
  if (Object.keys(raw.volumeContext).length === 0) {
    problems.add('volume_context', 'missing: the pod must name a secretProviderClass')
    problems.throwIfAny(rpc)
  }
  checkSize(raw, problems)
  const { className, pod } = parsePod(raw.volumeContext, problems)
  problems.throwIfAny(rpc)
  const { [tokensKey]: contextTokens, ...context } = raw.volumeContext
  const tokens = raw.secrets[tokensKey] ?? contextTokens
  const secrets = Object.entries(raw.secrets).map(([key, value]) => [key, SecretValue.of(value)] as const)
  return {
    volumeId,
    targetPath,
    className,
    pod,
    context,
    tokens: tokens === undefined ? undefined : SecretValue.of(tokens),
    secrets: secrets.length === 0 ? undefined : Object.fromEntries(secrets),
    groupId,
  }
}

/** The pod's author chooses their size, and the driver keeps them as long as the volume is mounted. */
function checkSize({ volumeContext, secrets }: NodePublishVolumeRequest, problems: Problems): void {
  const { [tokensKey]: _, ...attributes } = volumeContext
  const { requestBytes: limit } = driverLimits
  const bytes = [...Object.entries(attributes), ...Object.entries(secrets)]
    .map(([name, value]) => Buffer.byteLength(name) + Buffer.byteLength(value))
    .reduce((sum, size) => sum + size, 0)
  if (bytes > limit.value) problems.add('volume_context', beyondLimit(limit, bytes))
}

/** Reads a NodeUnpublishVolumeRequest. Throws {@link ProblemsError}. */
export function parseUnpublishRequest(raw: NodeUnpublishVolumeRequest): { volumeId: string; targetPath: string } {
  const problems = new Problems()
  const volumeId = requiredId(raw.volumeId, problems)
  const targetPath = requiredPath('target_path', raw.targetPath, problems)
  problems.throwIfAny('NodeUnpublishVolume')
  return { volumeId, targetPath }
}

/** Reads a NodeGetVolumeStatsRequest. Throws {@link ProblemsError}. */
export function parseStatsRequest(raw: NodeGetVolumeStatsRequest): { volumeId: string; volumePath: string } {
  const problems = new Problems()
  const volumeId = requiredId(raw.volumeId, problems)
  if (raw.volumePath === '') problems.add('volume_path', 'missing')
  problems.throwIfAny('NodeGetVolumeStats')
  return { volumeId, volumePath: raw.volumePath }
}

function requiredId(value: string, problems: Problems): string {
  if (value === '') problems.add('volume_id', 'missing')
  return value
}

/** Longest path that Linux takes. */
const maxPathBytes = 4095

/** The driver mounts with full rights on the node: a path that may mean another place than it shows is refused. */
function requiredPath(field: string, value: string, problems: Problems): string {
  const names = value.split(/[/\\]+/).filter((name) => name !== '')
  if (value === '') problems.add(field, 'missing')
  else if (value.includes('\0')) problems.add(field, 'has a NUL character')
  else if (Buffer.byteLength(value) > maxPathBytes) problems.add(field, `longer than ${maxPathBytes} bytes`)
  else if (!/^([/\\]|[A-Za-z]:[/\\])/.test(value)) problems.unexpected(field, value.slice(0, 120), 'an absolute path')
  else if (names.includes('..') || names.includes('.'))
    problems.unexpected(field, value.slice(0, 120), 'a path without "." and ".."')
  else if (names.length === 0) problems.add(field, 'found the root directory')
  return value
}

/** The group of the volume's files. */
function parseCapability(capability: VolumeCapability | undefined, problems: Problems): number | undefined {
  const access = capability?.accessType
  if (capability === undefined) problems.add('volume_capability', 'missing')
  else if (access?.$case === 'block')
    problems.add('volume_capability', 'found block, expected mount: secrets are files')
  const text = access?.$case === 'mount' ? access.value.volumeMountGroup : ''
  if (text === '') return undefined
  const id = Number(text)
  if (/^\d{1,10}$/.test(text) && id < 2 ** 32 - 1) return id
  problems.unexpected('volume_capability.mount.volume_mount_group', text.slice(0, 40), 'a group id')
  return undefined
}

function parsePod(
  context: Readonly<Record<string, string>>,
  problems: Problems,
): Pick<PublishRequest, 'className' | 'pod'> {
  const podInfo = 'kubelet sends it when the CSIDriver object has podInfoOnMount: true'
  const className = requiredName(context, 'secretProviderClass', "the pod's volumeAttributes must name one", problems)
  const pod = {
    name: requiredName(context, 'csi.storage.k8s.io/pod.name', podInfo, problems),
    namespace: requiredName(context, 'csi.storage.k8s.io/pod.namespace', podInfo, problems),
    uid: context['csi.storage.k8s.io/pod.uid'] ?? '',
  }
  if (context['csi.storage.k8s.io/ephemeral'] === 'false') {
    const path = 'volume_context["csi.storage.k8s.io/ephemeral"]'
    problems.add(path, 'found "false", expected "true": only inline volumes are supported')
  }
  return { className, pod }
}

function requiredName(
  context: Readonly<Record<string, string>>,
  key: string,
  advice: string,
  problems: Problems,
): string {
  const value = context[key] ?? ''
  const path = `volume_context["${key}"]`
  if (value === '') problems.add(path, `missing: ${advice}`)
  else if (!isObjectName(value))
    problems.unexpected(path, value.slice(0, 80), `the name of an object: ${objectNameForm}`)
  return value
}
