import { type EnvVar, envName, type VolumeMount } from '#kubernetes/client'
import { type NewContainer, proxyContainer, proxyInitContainer, proxyInitName, proxyName } from '#product/proxy'
import { type EnvFiles, envFiles, isOurs } from './env-files.ts'
import { type Annotations, annotationKeys, annotationPrefix, identityRequest } from './identity-request.ts'
import { mountChange } from './mount-change.ts'
import { notifyContainer, notifyName } from './notify-sidecar.ts'
import type { AdmittedContainer, AdmittedPod, AdmittedVolume } from './parse-pod.ts'
import { appendTo, type PatchOperation } from './patch-operation.ts'
import { tokenEnvironment } from './token-environment.ts'
import { isSameVolume, legacyMountPath, tokenMountPath, tokenVolume, tokenVolumeName } from './token-volume.ts'
import type { WebhookSettings } from './webhook-settings.ts'

export interface Mutation {
  /** Empty when the pod already has everything. */
  patch: PatchOperation[]
  /** For the client that creates the pod. */
  warnings: string[]
}

/** What every container that is not skipped gets. */
interface Injection {
  env: EnvVar[]
  mounts: VolumeMount[]
  skipped: ReadonlySet<string>
  /** What the annotation of the pod asks for; undefined without it. */
  envFiles: EnvFiles | undefined
}

/** A container of the pod, or one that joins it. */
type Entry = { existing: AdmittedContainer } | { added: NewContainer }

/**
 * What a pod needs to sign in to Azure as its service account: environment variables, a volume with the token, its mount in
 * each container, and the proxy sidecar if an annotation requests it. Pure. The patch adds and replaces only what belongs to
 * the webhook, so fields of newer API versions stay, and a second round changes nothing.
 * Throws `AdmissionDenied` for invalid annotations.
 */
export function mutatePod(pod: AdmittedPod, account: Annotations, settings: WebhookSettings): Mutation {
  const request = identityRequest(pod, account, settings)
  const volumeName = tokenVolumeName(pod.name)
  const mountPaths = settings.legacyTokenPath ? [tokenMountPath, legacyMountPath] : [tokenMountPath]
  const injection: Injection = {
    env: tokenEnvironment(request, settings),
    mounts: mountPaths.map((mountPath) => ({ name: volumeName, mountPath, readOnly: true })),
    // These have no use for a token.
    skipped: new Set([...request.skipped, notifyName, envName]),
    envFiles: envFiles(pod, settings),
  }
  const warnings = warningsAbout(pod, account, settings)
  const entries = withProxy(pod, settings, request.proxyPort)
  addEnvFiles(injection.envFiles, entries.initContainers)
  addNotify(pod, settings, entries)
  const { initContainers, containers } = entries
  const patch = [
    ...containerOperations('/spec/initContainers', pod.initContainers, initContainers, injection, warnings),
    ...containerOperations('/spec/containers', pod.containers, containers, injection, warnings),
    ...volumeOperations(pod.volumes, tokenVolume(volumeName, request, settings), injection.envFiles?.volume),
  ]
  return { patch, warnings }
}

function warningsAbout(
  { annotations, serviceAccountName }: AdmittedPod,
  account: Annotations,
  { tokenEndpoint }: WebhookSettings,
): string[] {
  const warnings: string[] = []
  if (!account[annotationKeys.clientId]) {
    warnings.push(
      `service account ${serviceAccountName} has no annotation ${annotationKeys.clientId}: AZURE_CLIENT_ID is not set, and the application has to name its client`,
    )
  }
  if (annotations[annotationKeys.injectProxy]?.toLowerCase() === 'false') {
    warnings.push(
      `${annotationKeys.injectProxy} is "false", but its presence alone injects the proxy sidecar; remove the annotation`,
    )
  }
  if (tokenEndpoint === undefined && annotations[identityBinding]?.toLowerCase() === 'true') {
    warnings.push(
      `${identityBinding} has no effect: the webhook has no token endpoint (--custom-token-endpoint-audience)`,
    )
  }
  return warnings
}

/** The annotation of AKS for its token endpoint. */
const identityBinding = `${annotationPrefix}use-identity-binding`

/** The containers of the pod in their order, with the proxy and its init step if they are requested and absent. */
function withProxy(
  pod: AdmittedPod,
  { proxy }: WebhookSettings,
  port: number | undefined,
): { initContainers: Entry[]; containers: Entry[] } {
  const initContainers: Entry[] = (pod.initContainers ?? []).map((existing) => ({ existing }))
  const containers: Entry[] = (pod.containers ?? []).map((existing) => ({ existing }))
  if (port === undefined) return { initContainers, containers }

  const list = proxy.nativeSidecar ? initContainers : containers
  if (!has(list, proxyName)) list.unshift({ added: proxyContainer(proxy, port) })
  if (!has(initContainers, proxyInitName)) {
    const added = proxyInitContainer(proxy, port)
    // After a sidecar, so that the user's init containers are redirected too; an ordinary proxy starts after them.
    const afterProxy = proxy.nativeSidecar ? indexOf(initContainers, proxyName) + 1 : initContainers.length
    initContainers.splice(afterProxy, 0, { added })
  }
  return { initContainers, containers }
}

/** Before the pod's own init containers, which get the variables too, and after the proxies. */
function addEnvFiles(files: EnvFiles | undefined, initContainers: Entry[]): void {
  if (files === undefined || has(initContainers, envName)) return
  const afterProxies = Math.max(indexOf(initContainers, proxyName), indexOf(initContainers, proxyInitName)) + 1
  initContainers.splice(afterProxies, 0, { added: files.initContainer })
}

/** Behind the pod's init containers, so that it does not delay them. */
function addNotify(
  pod: AdmittedPod,
  settings: WebhookSettings,
  { initContainers, containers }: { initContainers: Entry[]; containers: Entry[] },
): void {
  const added = notifyContainer(pod, settings)
  const list = settings.proxy.nativeSidecar ? initContainers : containers
  if (added !== undefined && !has(list, notifyName)) list.push({ added })
}

const nameOf = (entry: Entry) => ('added' in entry ? entry.added.name : entry.existing.name)
const indexOf = (entries: Entry[], name: string) => entries.findIndex((entry) => nameOf(entry) === name)
const has = (entries: Entry[], name: string) => indexOf(entries, name) >= 0

/** New containers first, in their order, so that the indexes of the others are those of the final list. */
function containerOperations(
  path: string,
  list: readonly AdmittedContainer[] | undefined,
  entries: Entry[],
  injection: Injection,
  warnings: string[],
): PatchOperation[] {
  const added = entries.flatMap((entry, i) =>
    'added' in entry ? [{ op: 'add' as const, path: `${path}/${i}`, value: complete(entry.added, injection) }] : [],
  )
  if (list === undefined)
    return appendTo(
      path,
      undefined,
      added.map(({ value }) => value),
    )
  const changed = entries.flatMap((entry, i) =>
    'existing' in entry ? changesOf(`${path}/${i}`, entry.existing, injection, warnings) : [],
  )
  return [...added, ...changed]
}

/** A new container with what every container gets. */
function complete(container: NewContainer, { env, mounts, skipped }: Injection): NewContainer {
  if (skipped.has(container.name)) return container
  const own = (container.env ?? []) as EnvVar[]
  return { ...container, env: [...own, ...env], volumeMounts: mounts }
}

function changesOf(
  path: string,
  container: AdmittedContainer,
  { env, mounts, skipped, envFiles: files }: Injection,
  warnings: string[],
): PatchOperation[] {
  const fromFiles = files?.variablesOf(container.name) ?? []
  warnAboutOwn(container, fromFiles, warnings)
  if (skipped.has(container.name)) return envOperations(`${path}/env`, container, fromFiles, [])
  return [
    ...envOperations(`${path}/env`, container, fromFiles, env),
    ...mountOperations(`${path}/volumeMounts`, container, mounts, warnings),
  ]
}

/** @param first before the container's own variables, which may then refer to them: `$(DB_PASSWORD)`. */
function envOperations(
  path: string,
  container: AdmittedContainer,
  first: readonly EnvVar[],
  last: readonly EnvVar[],
): PatchOperation[] {
  const present = new Set((container.env ?? []).map(({ name }) => name))
  const isMissing = ({ name }: EnvVar) => !present.has(name)
  const [front, back] = [first.filter(isMissing), last.filter(isMissing)]
  if (container.env === undefined) return appendTo(path, undefined, [...front, ...back])
  const added = front.map((value, i) => ({ op: 'add' as const, path: `${path}/${i}`, value }))
  return [...added, ...appendTo(path, container.env, back)]
}

function warnAboutOwn({ name, env = [] }: AdmittedContainer, wanted: readonly EnvVar[], warnings: string[]): void {
  if (wanted.length === 0) return
  const names = new Set(wanted.map((variable) => variable.name))
  const own = env.filter((variable) => names.has(variable.name) && !isOurs(variable)).map((variable) => variable.name)
  if (own.length > 0)
    warnings.push(`container ${name} sets ${own.join(', ')} itself, so it does not get the value of the secret`)
}

function mountOperations(
  path: string,
  { name, volumeMounts }: AdmittedContainer,
  mounts: VolumeMount[],
  warnings: string[],
): PatchOperation[] {
  const changes = mounts.map((mount) => ({ mount, change: mountChange(volumeMounts ?? [], mount, mounts) }))
  const replaced = changes.flatMap(({ mount, change }) =>
    change.kind === 'replace' ? [{ op: 'replace' as const, path: `${path}/${change.index}`, value: mount }] : [],
  )
  const missing = changes.filter(({ change }) => change.kind === 'add').map(({ mount }) => mount)
  for (const { mount, change } of changes) {
    if (change.kind !== 'taken') continue
    warnings.push(
      `container ${name} mounts its own volume ${change.by} at ${mount.mountPath}, so the token is not mounted there`,
    )
  }
  return [...replaced, ...appendTo(path, volumeMounts, missing)]
}

function volumeOperations(
  volumes: readonly AdmittedVolume[] | undefined,
  token: AdmittedVolume,
  env: AdmittedVolume | undefined,
): PatchOperation[] {
  const indexIn = (wanted: AdmittedVolume) => volumes?.findIndex(({ name }) => name === wanted.name) ?? -1
  const index = indexIn(token)
  const existing = volumes?.[index]
  const missing = existing === undefined ? [token] : []
  if (env !== undefined && indexIn(env) < 0) missing.push(env)
  const replaced = existing !== undefined && !isSameVolume(existing, token)
  return [
    ...(replaced ? [{ op: 'replace' as const, path: `/spec/volumes/${index}`, value: token }] : []),
    ...appendTo('/spec/volumes', volumes, missing),
  ]
}
