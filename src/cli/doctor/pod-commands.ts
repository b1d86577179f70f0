import type { Pod } from '#kubernetes/client'
import { commandLine } from '#terminal'
import { type PodOwner, patchOwner } from '../identity/doctor/check-pod.ts'

/** A change of one volume of a pod. */
export interface VolumeChange {
  volume: string
  /** Fields of its `csi`, with their new values. */
  csi: Record<string, unknown>
  /** The same for a pod without an owner: the text in its JSON, and what replaces it. */
  replace: { field: string; found: string; wanted: string }
}

/** The command that changes a volume: in the template of what creates the pod, or in the pod itself, which is then replaced. */
export function changeVolume({ metadata }: Pod, owner: PodOwner | undefined, change: VolumeChange): string {
  const namespace = metadata.namespace ?? 'default'
  const { volume, csi, replace } = change
  if (owner !== undefined && owner.kind !== 'Job') {
    const template = { spec: { volumes: [{ name: volume, csi }] } }
    return patchOwner(owner, ['--namespace', namespace], template, 'strategic')
  }
  const { field, found, wanted } = replace
  const read = commandLine('kubectl', 'get', 'pod', metadata.name ?? '', '--namespace', namespace, '--output', 'json')
  const expression = `s/"${field}": ${sedText(found)}/"${field}": ${wanted.replaceAll(/[\\/&]/g, '\\$&')}/`
  return `${read} | ${commandLine('sed', expression)} | kubectl replace --force --filename -`
}

/** A text as `sed` matches it literally. */
function sedText(text: string): string {
  return text.replaceAll(/[.*[\]^$\\/]/g, '\\$&')
}
