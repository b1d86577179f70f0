import { badRequest, unsupportedMediaType } from '../api-error.ts'
import { type ApiObject, isRecord } from '../api-object.ts'
import { listKeysOf } from '../kinds/list-keys.ts'
import { apiVersionOf, keyOf } from '../kinds/resource-row.ts'
import type { DeleteOptions } from '../objects/object-deletion.ts'
import type { ObjectRef } from '../objects/objects.ts'
import { jsonPatch, mergePatch, strategicPatch } from '../objects/patch.ts'
import { admissionRequestOf, admittedDeletion, admittedWrite } from './admitted-write.ts'
import type { ApiCall } from './api-call.ts'
import { mediaTypeOf, readObject, sendJson } from './http-exchange.ts'
import { selected, sendObject } from './read-handlers.ts'
import { isTrue } from './request-info.ts'
import { parseDryRun, writeOptionsOf } from './write-options.ts'

export async function handleCreate(call: ApiCall): Promise<void> {
  const { context, row, info, request } = call
  const body = await mutated(call, await readObject(context, request))
  const created = await admittedWrite(call, (options) => context.objects.create(row, info.namespace, body, options))
  sendObject(call, 201, created)
}

/** What webhooks make of a new object. */
function mutated(call: ApiCall, body: unknown): Promise<unknown> {
  const operation = 'CREATE'
  return call.context.admission.mutate({ ...admissionRequestOf(call, writeOptionsOf(call), {}), operation }, body)
}

export async function handleUpdate(call: ApiCall): Promise<void> {
  const { context, row, request } = call
  const body = await readObject(context, request)
  const updated = await admittedWrite(call, (options) => context.objects.update(row, refOf(call), () => body, options))
  sendObject(call, 200, updated)
}

export async function handlePatch(call: ApiCall): Promise<void> {
  const { context, row, info, request, url } = call
  const { store, objects } = context
  const patch = await readObject(context, request)
  const ref = refOf(call)
  const type = mediaTypeOf(request)
  if (type === 'application/apply-patch+yaml') {
    if (!url.searchParams.get('fieldManager')) {
      throw badRequest(
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      )
    }
    const isThere = store.get(keyOf(row), ref.namespace, ref.name) !== undefined
    const wanted = isThere ? patch : await mutated(call, patch)
    const before = store.revision
    const force = isTrue(url.searchParams.get('force') ?? 'false')
    const applied = await admittedWrite(call, (options) => objects.apply(row, ref, wanted, { ...options, force }))
    const isNew = Number(applied.metadata.resourceVersion) > before && applied.metadata.generation === 1
    sendObject(call, isNew ? 201 : 200, applied)
    return
  }
  const change = (draft: ApiObject): unknown => {
    if (type === 'application/merge-patch+json') return mergePatch(draft, patch)
    if (type === 'application/json-patch+json') return jsonPatch(draft, patch)
    if (type === 'application/strategic-merge-patch+json' && row.builtIn) {
      return strategicPatch(draft, patch, listKeysOf(row, info.version))
    }
    throw unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    )
  }
  sendObject(call, 200, await admittedWrite(call, (options) => objects.update(row, ref, change, options)))
}

export async function handleDelete(call: ApiCall): Promise<void> {
  const { context, row, response } = call
  const options = await deleteOptions(call)
  const { object, gone } = await admittedDeletion(call, options, (admission) =>
    context.objects.delete(row, refOf(call), { ...options, ...admission }),
  )
  // As in a real API server: what is still there is shown, what is gone is only confirmed.
  if (!gone || row.plural === 'pods') sendObject(call, 200, object)
  else {
    const { name, uid } = object.metadata
    const details = { name, group: row.group, kind: row.plural, uid }
    sendJson(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
  }
}

export async function handleDeleteCollection(call: ApiCall): Promise<void> {
  const { context, row, info, response } = call
  const options = await deleteOptions(call)
  const found = selected(call)
  for (const { metadata } of found) {
    await admittedDeletion(call, options, (admission) =>
      context.objects.delete(row, metadata, { ...options, ...admission }),
    )
  }
  const apiVersion = apiVersionOf(row.group, info.version)
  sendJson(response, 200, { kind: `${row.kind}List`, apiVersion, metadata: {}, items: found })
}

function refOf({ info }: ApiCall): ObjectRef {
  return { namespace: info.namespace, name: info.name ?? '' }
}

/** Options come in the body, in the URL, or both. */
async function deleteOptions({ context, request, url }: ApiCall): Promise<DeleteOptions> {
  const body = (await readObject(context, request)) ?? {}
  if (!isRecord(body)) throw badRequest('DeleteOptions must be an object')
  const inUrl = ['gracePeriodSeconds', 'propagationPolicy'].flatMap((name) => {
    const value = url.searchParams.get(name)
    return value === null ? [] : [[name, name === 'gracePeriodSeconds' ? Number(value) : value]]
  })
  const given = Object.entries(body).filter(([, value]) => value != null)
  const { dryRun, ...options } = Object.fromEntries([...given, ...inUrl])
  const { propagationPolicy = 'Background' } = options
  if (propagationPolicy !== 'Background' && propagationPolicy !== 'Foreground') {
    throw badRequest(`propagationPolicy ${propagationPolicy} is not supported by the local cluster`)
  }
  return {
    ...options,
    dryRun: Array.isArray(dryRun) ? dryRun.includes('All') : parseDryRun(url.searchParams.get('dryRun')),
  }
}
