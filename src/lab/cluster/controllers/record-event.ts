import { newEvent, type Occurrence } from '#kubernetes/client'
import { type ApiObject, numberAt } from '../api-server/api-object.ts'
import type { ControllerContext } from './controller.ts'

type What = Omit<Occurrence, 'type' | 'host' | 'now'> & { type?: Occurrence['type'] }

/** Records what a controller did to an object, as `kubectl describe` shows it; repeated ones are counted. Never throws: a lost event is logged. */
export function recordEvent(context: ControllerContext, about: ApiObject, what: What): void {
  const { store, objects, catalog, clock, log } = context
  const { apiVersion, kind, metadata } = about
  const { name, namespace, uid = '' } = metadata
  const reference = { apiVersion, kind, name, uid, ...(namespace === undefined ? {} : { namespace }) }
  const event = newEvent(reference, { type: 'Normal', ...what, now: clock.now() })
  const { lastTimestamp, metadata: ref } = event
  const again = (known: ApiObject) => ({ ...known, count: numberAt(known, 'count') + 1, lastTimestamp })
  const options = { manager: what.component }
  try {
    const known = store.get('events', ref.namespace, ref.name) !== undefined
    if (known) objects.update(catalog.row('events'), ref, again, options)
    else objects.create(catalog.row('events'), ref.namespace, event, options)
  } catch (error) {
    log.debug({ err: error, reason: what.reason }, 'event could not be written')
  }
}
