import type { NodePublishVolumeRequest, NodeUnpublishVolumeRequest } from '#kubernetes/csi'
import { type Problem, ProblemsError, SecretValue } from '#lib'

/** A volume context key under which kubelet hands over the pod's service account tokens. */
export const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens'

/** What kubelet asks for, checked: every field is usable, and what must not be printed cannot be. */
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

/** Longest path that Linux takes. */
const maxPathBytes = 4095

/** A DNS-1123 subdomain: the rule for names of pods, namespaces' objects and classes. */
const objectName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/

/** Reads a NodePublishVolumeRequest. Throws {@link ProblemsError} with everything that is wrong with it. */
export function parsePublishRequest(raw: NodePublishVolumeRequest): PublishRequest {
  const problems: Problem[] = []
  const need = (path: string, value: string): string => {
    if (value === '') problems.push({ path, message: 'missing' })
    return value
  }
  const needName = (key: string, advice: string): string => {
    const value = raw.volumeContext[key] ?? ''
    const path = `volume_context["${key}"]`
    if (value === '') problems.push({ path, message: `missing: ${advice}` })
    else if (!objectName.test(value))
      problems.push({
        path,
        message: `found "${value.slice(0, 80)}", expected the name of an object: lower-case letters, digits, "-" and "."`,
      })
    return value
  }

  const volumeId = need('volume_id', raw.volumeId)
  const targetPath = need('target_path', raw.targetPath)
  if (targetPath !== '') problems.push(...pathProblems('target_path', targetPath))
  const access = raw.volumeCapability?.accessType
  if (raw.volumeCapability === undefined) problems.push({ path: 'volume_capability', message: 'missing' })
  else if (access?.$case === 'block')
    problems.push({ path: 'volume_capability', message: 'found block, expected mount: secrets are files' })
  const mount = access?.$case === 'mount' ? access.value : undefined
  if (!raw.readonly)
    problems.push({ path: 'readonly', message: 'found false, expected true: set csi.readOnly: true in the pod' })

  if (Object.keys(raw.volumeContext).length === 0) {
    problems.push({ path: 'volume_context', message: 'missing: the pod must name a secretProviderClass' })
    throw new ProblemsError('NodePublishVolume', problems)
  }
  const podInfo = 'kubelet sends it when the CSIDriver object has podInfoOnMount: true'
  const className = needName('secretProviderClass', "the pod's volumeAttributes must name one")
  const pod = {
    name: needName('csi.storage.k8s.io/pod.name', podInfo),
    namespace: needName('csi.storage.k8s.io/pod.namespace', podInfo),
    uid: raw.volumeContext['csi.storage.k8s.io/pod.uid'] ?? '',
  }
  if (raw.volumeContext['csi.storage.k8s.io/ephemeral'] === 'false') {
    const path = 'volume_context["csi.storage.k8s.io/ephemeral"]'
    problems.push({ path, message: 'found "false", expected "true": only inline volumes are supported' })
  }
  const groupId = parseGroup(mount?.volumeMountGroup ?? '', problems)
  if (problems.length > 0) throw new ProblemsError('NodePublishVolume', problems)

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

/** Reads a NodeUnpublishVolumeRequest. Throws {@link ProblemsError}. */
export function parseUnpublishRequest(raw: NodeUnpublishVolumeRequest): { volumeId: string; targetPath: string } {
  const problems: Problem[] = []
  if (raw.volumeId === '') problems.push({ path: 'volume_id', message: 'missing' })
  if (raw.targetPath === '') problems.push({ path: 'target_path', message: 'missing' })
  else problems.push(...pathProblems('target_path', raw.targetPath))
  if (problems.length > 0) throw new ProblemsError('NodeUnpublishVolume', problems)
  return { volumeId: raw.volumeId, targetPath: raw.targetPath }
}

/** The driver mounts with full rights on the node: a path that could mean another place than it says is refused. */
function pathProblems(path: string, value: string): Problem[] {
  const shown = value.slice(0, 120)
  if (value.includes('\0')) return [{ path, message: 'has a NUL character' }]
  if (Buffer.byteLength(value) > maxPathBytes) return [{ path, message: `longer than ${maxPathBytes} bytes` }]
  if (!/^([/\\]|[A-Za-z]:[/\\])/.test(value)) return [{ path, message: `found "${shown}", expected an absolute path` }]
  const parts = value.split(/[/\\]+/).filter((part) => part !== '')
  if (parts.includes('..') || parts.includes('.'))
    return [{ path, message: `found "${shown}", expected a path without "." and ".."` }]
  return parts.length === 0 ? [{ path, message: 'found the root directory' }] : []
}

function parseGroup(text: string, problems: Problem[]): number | undefined {
  if (text === '') return undefined
  const id = Number(text)
  if (/^\d{1,10}$/.test(text) && id < 2 ** 32 - 1) return id
  problems.push({
    path: 'volume_capability.mount.volume_mount_group',
    message: `found "${text.slice(0, 40)}", expected a group id`,
  })
  return undefined
}
