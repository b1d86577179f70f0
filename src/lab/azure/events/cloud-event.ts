import { z } from 'zod'
import type { GridEvent } from './event-feed.ts'
import { type AdvancedFilter, passesAll } from './event-filter.ts'

/** https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, with attributes of extensions */
export const cloudEventSchema = z.looseObject({
  id: z.string().min(1).max(1024),
  source: z.string().min(1).max(2048),
  type: z.string().min(1).max(512),
  specversion: z.literal('1.0'),
  time: z.string().max(64).nullish(),
  subject: z.string().max(2048).nullish(),
  datacontenttype: z.string().max(256).nullish(),
})
export type CloudEvent = z.output<typeof cloudEventSchema>

/** A vault's event in this form. https://learn.microsoft.com/azure/event-grid/cloud-event-schema */
export function cloudEvent({ id, topic, subject, eventType, eventTime, data }: GridEvent): CloudEvent {
  return { id, source: topic, subject, type: eventType, time: eventTime, data, specversion: '1.0' }
}

/** Which events of its topic a subscription of a namespace gets. */
export interface CloudFilter {
  /** Default: all. */
  includedEventTypes?: string[] | undefined
  /** All of them must pass. Their keys are attributes, or `data.…`. */
  filters: AdvancedFilter[]
}

export function passesCloudFilter(event: CloudEvent, { includedEventTypes = [], filters }: CloudFilter): boolean {
  const isIncluded =
    includedEventTypes.length === 0 ||
    includedEventTypes.some((type) => type.toLowerCase() === event.type.toLowerCase())
  return isIncluded && passesAll(event, filters)
}
