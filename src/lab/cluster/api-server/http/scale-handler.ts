import { valueAt } from '#lib/formats'
import { badRequest, Causes, invalid } from '../api-error.ts'
import { type ApiObject, isRecord, mapAt, numberAt, textAt } from '../api-object.ts'
import { jsonPatch, mergePatch } from '../objects/patch.ts'
import { admittedWrite } from './admitted-write.ts'
import type { ApiCall } from './api-call.ts'
import { mediaTypeOf, readObject, sendJson } from './http-exchange.ts'

/** The number of replicas of a workload, as an object of its own. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/scale-v1/ */
export const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' } as const

export function handleGetScale(call: ApiCall): void {
  sendJson(call.response, 200, scaleOf(workloadOf(call)))
}

export async function handleUpdateScale(call: ApiCall): Promise<void> {
  await setScale(call, await readObject(call.context, call.request))
}

export async function handlePatchScale(call: ApiCall): Promise<void> {
  const patch = await readObject(call.context, call.request)
  const current = scaleOf(workloadOf(call))
  await setScale(
    call,
    mediaTypeOf(call.request).startsWith('application/json-patch')
      ? jsonPatch(current, patch)
      : mergePatch(current, patch),
  )
}

function workloadOf({ context, row, info }: ApiCall): ApiObject {
  return context.objects.get(row, { namespace: info.namespace, name: info.name ?? '' })
}

function scaleOf({ metadata, spec, status }: ApiObject) {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const selector = Object.entries(mapAt(spec, 'selector', 'matchLabels')).map(([key, value]) => `${key}=${value}`)
  return {
    kind: scaleKind.kind,
    apiVersion: `${scaleKind.group}/${scaleKind.version}`,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(spec, 'replicas') },
    status: { replicas: numberAt(status, 'replicas'), selector: selector.join(',') },
  }
}

async function setScale(call: ApiCall, scale: unknown): Promise<void> {
  const { context, row, info, response } = call
  const { name = '', namespace } = info
  const replicas = valueAt(scale, 'spec', 'replicas') ?? 0
  if (!Number.isInteger(replicas)) throw badRequest('spec.replicas of a Scale must be a whole number')
  if (Number(replicas) < 0) {
    const causes = new Causes()
    causes.invalid('spec.replicas', replicas, 'must be greater than or equal to 0')
    throw invalid({ group: scaleKind.group, kind: scaleKind.kind, plural: 'scales' }, name, causes.list)
  }
  const scaled = (draft: ApiObject) => ({
    ...draft,
    metadata: { ...draft.metadata, resourceVersion: textAt(scale, 'metadata', 'resourceVersion') },
    spec: { ...(isRecord(draft.spec) ? draft.spec : {}), replicas },
  })
  const updated = await admittedWrite(call, (options) =>
    context.objects.update(row, { namespace, name }, scaled, options),
  )
  sendJson(response, 200, scaleOf(updated))
}
