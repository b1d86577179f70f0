import { valueAt } from '#lib/formats'
import type { GridEvent } from './event-feed.ts'

/** Which events of its source a subscription delivers. https://learn.microsoft.com/azure/event-grid/event-filtering */
export interface EventFilter {
  /** Default: all. */
  includedEventTypes?: string[] | undefined
  subjectBeginsWith: string
  subjectEndsWith: string
  isSubjectCaseSensitive: boolean
  enableAdvancedFilteringOnArrays?: boolean | undefined
  /** All of them must pass. */
  advancedFilters: AdvancedFilter[]
}

export interface AdvancedFilter {
  operatorType: FilterOperator
  /** `subject`, `eventType`, `data.ObjectName`, … */
  key: string
  value?: number | boolean | undefined
  values?: readonly (string | number | readonly number[])[] | undefined
}

export function passes(event: GridEvent, filter: EventFilter): boolean {
  const { includedEventTypes, subjectBeginsWith, subjectEndsWith, advancedFilters } = filter
  const isIncluded = includedEventTypes?.some((type) => type.toLowerCase() === event.eventType.toLowerCase()) ?? true
  const cased = (text: string) => (filter.isSubjectCaseSensitive ? text : text.toLowerCase())
  return (
    isIncluded &&
    cased(event.subject).startsWith(cased(subjectBeginsWith)) &&
    cased(event.subject).endsWith(cased(subjectEndsWith)) &&
    passesAll(event, advancedFilters)
  )
}

/** True when the event, of whatever schema, passes each of the filters. */
export function passesAll(event: unknown, filters: readonly AdvancedFilter[]): boolean {
  return filters.every((advanced) => passesAdvanced(event, advanced))
}

function passesAdvanced(event: unknown, filter: AdvancedFilter): boolean {
  const found: unknown = valueAt(event, ...filter.key.split('.'))
  return operators[filter.operatorType](found, filter)
}

type Test = (found: unknown, filter: AdvancedFilter) => boolean
type Range = readonly [number, number]

/** Texts are compared without case. A negated operator passes when there is no value. */
const someText =
  (test: (found: string, wanted: string) => boolean): Test =>
  (found, { values = [] }) =>
    typeof found === 'string' && values.some((wanted) => test(found.toLowerCase(), String(wanted).toLowerCase()))
const someNumber =
  (test: (found: number, wanted: number | Range) => boolean): Test =>
  (found, { value, values = [value as number] }) =>
    typeof found === 'number' && values.some((wanted) => test(found, wanted as number | Range))
const not =
  (test: Test): Test =>
  (found, filter) =>
    !test(found, filter)
const isNothing: Test = (found) => found === undefined || found === null

const stringIn = someText((found, wanted) => found === wanted)
const stringBeginsWith = someText((found, wanted) => found.startsWith(wanted))
const stringEndsWith = someText((found, wanted) => found.endsWith(wanted))
const stringContains = someText((found, wanted) => found.includes(wanted))
const numberIn = someNumber((found, wanted) => found === wanted)
const numberInRange = someNumber((found, range) => Array.isArray(range) && found >= range[0] && found <= range[1])

const operators = {
  StringIn: stringIn,
  StringNotIn: not(stringIn),
  StringBeginsWith: stringBeginsWith,
  StringNotBeginsWith: not(stringBeginsWith),
  StringEndsWith: stringEndsWith,
  StringNotEndsWith: not(stringEndsWith),
  StringContains: stringContains,
  StringNotContains: not(stringContains),
  NumberIn: numberIn,
  NumberNotIn: not(numberIn),
  NumberLessThan: someNumber((found, wanted) => found < Number(wanted)),
  NumberLessThanOrEquals: someNumber((found, wanted) => found <= Number(wanted)),
  NumberGreaterThan: someNumber((found, wanted) => found > Number(wanted)),
  NumberGreaterThanOrEquals: someNumber((found, wanted) => found >= Number(wanted)),
  NumberInRange: numberInRange,
  NumberNotInRange: not(numberInRange),
  BoolEquals: (found, { value }) => found === value,
  IsNullOrUndefined: isNothing,
  IsNotNull: not(isNothing),
} as const satisfies Record<string, Test>

export type FilterOperator = keyof typeof operators

export const filterOperators = Object.keys(operators) as [FilterOperator, ...FilterOperator[]]
