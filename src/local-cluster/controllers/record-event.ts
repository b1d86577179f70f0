import { createHash } from 'node:crypto'
import { type ApiObject, numberAt, timestamp } from '../api-server/api-object.ts'
import type { ControllerContext } from './controller.ts'

interface Occurrence {
  component: string
  type?: 'Normal' | 'Warning'
  reason: string
  message: string
}

/** Records what a controller did to an object, as `kubectl describe` shows it; repeated ones are counted. Never throws: a lost event is logged. */
export function recordEvent(context: ControllerContext, about: ApiObject, occurrence: Occurrence): void {
  try {
    write(context, about, occurrence)
  } catch (error) {
    context.log.debug({ err: error, reason: occurrence.reason }, 'event could not be written')
  }
}

function write(
  { store, objects, catalog, clock }: ControllerContext,
  about: ApiObject,
  { component, type = 'Normal', reason, message }: Occurrence,
): void {
  const row = catalog.row('events')
  const { metadata, apiVersion, kind } = about
  const namespace = metadata.namespace ?? 'default'
  const digest = createHash('sha256').update([metadata.uid, reason, message].join('\0')).digest('hex').slice(0, 16)
  const name = `${metadata.name}.${digest}`
  const now = timestamp(clock.now())
  const options = { manager: component }
  if (store.get('events', namespace, name) !== undefined) {
    const again = (event: ApiObject) => ({ ...event, count: numberAt(event, 'count') + 1, lastTimestamp: now })
    objects.update(row, { namespace, name }, again, options)
    return
  }
  const { name: involved, namespace: where, uid, resourceVersion } = metadata
  objects.create(
    row,
    namespace,
    {
      metadata: { name, namespace },
      involvedObject: { apiVersion, kind, name: involved, namespace: where, uid, resourceVersion },
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component },
      reportingComponent: component,
      reportingInstance: '',
    },
    options,
  )
}
