import type { AdmissionRequest, Written } from '../admission/admission-request.ts'
import { conflict } from '../api-error.ts'
import type { ApiObject } from '../api-object.ts'
import { keyOf } from '../kinds/resource-row.ts'
import type { WriteOptions } from '../objects/write-request.ts'
import type { ApiCall } from './api-call.ts'
import { writeOptionsOf } from './write-options.ts'

/** A write whose object admission may refuse. With `dryRun` it does everything except write. */
type Write<Result> = (admission: Required<Pick<WriteOptions, 'dryRun' | 'admit' | 'warn'>>) => Result

const maxAttempts = 5

/** Creates or updates with the options of the request, if policies and webhooks let it through. Throws ApiError. */
export function admittedWrite<Result>(call: ApiCall, write: (options: WriteOptions) => Result): Promise<Result> {
  const options = writeOptionsOf(call)
  return admitted(call, options, writtenObjects, (admission) => write({ ...options, ...admission }))
}

/** Deletes, if policies and webhooks let it through. Throws ApiError. */
export function admittedDeletion<Result>(
  call: ApiCall,
  options: Pick<WriteOptions, 'dryRun'>,
  remove: Write<Result>,
): Promise<Result> {
  return admitted(call, { ...writeOptionsOf(call), ...options }, (oldObject) => ({ oldObject }), remove)
}

/** The write as admission sees it. */
export function admissionRequestOf(
  { row, info, user }: ApiCall,
  { dryRun = false, warn = () => undefined }: Pick<WriteOptions, 'dryRun' | 'warn'>,
  { object, oldObject }: Written,
): AdmissionRequest {
  const { version, subresource, namespace } = info
  const operation = object === undefined ? 'DELETE' : oldObject === undefined ? 'CREATE' : 'UPDATE'
  return { operation, row, version, subresource, namespace, user, dryRun, warn }
}

function writtenObjects(object: ApiObject, oldObject: ApiObject | undefined): Written {
  return { object, oldObject }
}

/**
 * Policies are checked within the write. Webhooks are asked about the result of a dry run; if the object changed meanwhile,
 * all of it is repeated, so that nothing is stored that they have not seen.
 */
async function admitted<Result>(
  call: ApiCall,
  options: Pick<WriteOptions, 'dryRun' | 'warn'>,
  writtenOf: (object: ApiObject, previous: ApiObject | undefined) => Written,
  write: Write<Result>,
): Promise<Result> {
  const { context, row } = call
  const { dryRun = false, warn = () => undefined } = options
  let written: Written = {}
  const admit = (object: ApiObject, previous: ApiObject | undefined) => {
    written = writtenOf(object, previous)
    context.admission.checkPolicies(admissionRequestOf(call, options, written), written)
  }
  if (!context.admission.hasValidatingWebhooks()) return write({ dryRun, warn, admit })
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const result = write({ dryRun: true, warn, admit })
    await context.admission.validate(admissionRequestOf(call, options, written), written)
    if (dryRun) return result
    const { namespace, name = '' } = (written.object ?? written.oldObject)?.metadata ?? {}
    const isUnchanged = context.store.get(keyOf(row), namespace, name) === written.oldObject
    if (isUnchanged) return write({ dryRun, warn: () => undefined, admit: () => undefined })
  }
  throw conflict(row, call.info.name ?? '', 'the object was modified while webhooks were asked; please try again')
}
