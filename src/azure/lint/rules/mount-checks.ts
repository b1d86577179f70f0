import { nearestName } from '#lib'
import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import type { ManifestSet } from '../manifest-set.ts'
import type { ContainerManifest, PodManifest } from '../pod-manifest.ts'
import type { RuleFinding } from '../rule.ts'

export function* subPath({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods)
    for (const { container, mount, path } of classMounts(pod))
      for (const field of ['subPath', 'subPathExpr'])
        if (typeof mount[field] === 'string' && mount[field] !== '')
          yield {
            manifest: pod.manifest,
            path: [...path, field],
            message: `container "${container.name}" mounts "${mount[field]}" by ${field}`,
          }
}

/** Mounts of a volume of the driver in the containers of a pod. */
function* classMounts(pod: PodManifest) {
  for (const container of pod.containers)
    for (const [index, mount] of mountsOf(container).entries()) {
      const volume = pod.classVolumes.find(({ name }) => name !== '' && name === mount.name)
      if (volume !== undefined)
        yield { container, index, mount, volume, path: [...container.path, 'volumeMounts', index] }
    }
}

function mountsOf({ value }: ContainerManifest): Record<string, unknown>[] {
  return (listOf(value.volumeMounts) ?? []).map((one) => recordOf(one) ?? {})
}

export function* onePath({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods)
    for (const container of pod.containers) {
      const first = new Map<string, string>()
      for (const { mount, path } of classMounts({ ...pod, containers: [container] })) {
        const at = mountPathOf(mount)
        const other = mountsOf(container).find((one) => one !== mount && mountPathOf(one) === at && at !== '')
        if (other !== undefined && !first.has(at)) {
          first.set(at, String(other.name))
          const message = `container "${container.name}" mounts "${String(mount.name)}" and "${String(other.name)}" at ${at}`
          yield { manifest: pod.manifest, path: [...path, 'mountPath'], message }
        }
      }
    }
}

/** Without slashes at its end; empty where there is no path. */
function mountPathOf({ mountPath }: Record<string, unknown>): string {
  const path = typeof mountPath === 'string' ? mountPath : ''
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

const systemDirectories =
  /^\/(|bin|boot|dev|etc|home|lib|lib64|opt|proc|root|run|sbin|sys|tmp|usr|var|app|var\/run|var\/run\/secrets(\/.*)?|etc\/ssl|etc\/ssl\/certs|usr\/(bin|lib|local|share)|usr\/src\/app)$/

export function* systemPath({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods)
    for (const { container, mount, path } of classMounts(pod)) {
      const at = mountPathOf(mount)
      const hidesOthers = systemDirectories.test(at) && (mount.subPath === undefined || mount.subPath === '')
      if (hidesOthers)
        yield {
          manifest: pod.manifest,
          path: [...path, 'mountPath'],
          message: `container "${container.name}" mounts the volume over ${at}, and hides what the image has there`,
        }
    }
}

export function* missingVolume({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, containers, spec, classVolumes } of pods) {
    if (classVolumes.length === 0) continue
    // A StatefulSet adds a volume per claim.
    const claims = listOf(valueAt(manifest.value, 'spec', 'volumeClaimTemplates')) ?? []
    const names = new Set([
      ...(listOf(spec.volumes) ?? []).map((one) => stringOf(valueAt(one, 'name')) ?? ''),
      ...claims.map((one) => stringOf(valueAt(one, 'metadata', 'name')) ?? ''),
    ])
    for (const container of containers)
      for (const [index, mount] of mountsOf(container).entries()) {
        const name = stringOf(mount.name) ?? ''
        if (names.has(name)) continue
        const near = nearestName(name, [...names])
        const hint = near === undefined ? '' : ` (did you mean ${near}?)`
        const path = [...container.path, 'volumeMounts', index, 'name']
        yield {
          manifest,
          path,
          message: `container "${container.name}" mounts the volume "${name}", which the pod does not have${hint}`,
        }
      }
  }
}

export function* unreadableFile({ pods, classNamed }: ManifestSet): Generator<RuleFinding> {
  for (const pod of pods) {
    if (valueAt(pod.spec, 'securityContext', 'fsGroup') !== undefined) continue
    for (const { container, volume, path } of classMounts(pod)) {
      const user =
        valueAt(container.value, 'securityContext', 'runAsUser') ?? valueAt(pod.spec, 'securityContext', 'runAsUser')
      if (typeof user !== 'number' || user === 0) continue
      const [found] = classNamed(volume.className, pod.manifest)
      if (found?.spec === undefined || found.spec.values.fileOwner !== '') continue
      const closed = found.spec.objects.find(({ mode }) => mode !== undefined && (mode & 0o004) === 0)
      if (closed === undefined) continue
      const mode = (closed.mode ?? 0).toString(8).padStart(4, '0')
      const message = `container "${container.name}" runs as user ${user} and cannot read "${closed.fileName}" (mode ${mode}): the pod has no fsGroup, and the class no fileOwner`
      yield { manifest: pod.manifest, path: [...path, 'name'], message }
    }
  }
}
