import { z } from 'zod'
import { addCalendarDuration, parseCalendarDuration, roughDays } from '../calendar-duration.ts'
import { badParameter } from '../error-response.ts'
import { bodyParser } from '../validate.ts'

/** When a key is rotated automatically, and how long its versions are valid. https://learn.microsoft.com/azure/key-vault/keys/how-to-configure-key-rotation */
export interface RotationPolicy {
  /** Validity of every new version, as an ISO 8601 duration; unlimited when absent. */
  expiryTime?: string | undefined
  lifetimeActions: LifetimeAction[]
  /** In seconds since the epoch. */
  created: number
  updated: number
}

export interface LifetimeAction {
  trigger: { timeAfterCreate: string } | { timeBeforeExpiry: string }
  action: { type: 'Rotate' | 'Notify' }
}

/** The limits of Key Vault, in days. */
const minExpiryDays = 28
const minRotationDays = 7

/** What Azure shows for a key without a policy. */
export const defaultLifetimeActions: readonly LifetimeAction[] = [
  { trigger: { timeBeforeExpiry: 'P30D' }, action: { type: 'Notify' } },
]

const duration = z
  .string()
  .refine((text) => parseCalendarDuration(text) !== undefined, 'expected an ISO 8601 duration such as P90D, P3M or P1Y')
const actionType = z
  .string()
  .transform((word) => word.toLowerCase())
  .pipe(z.enum(['rotate', 'notify']))
  .transform((word) => (word === 'rotate' ? 'Rotate' : 'Notify'))

const parseBody = bodyParser(
  z.object({
    attributes: z.object({ expiryTime: duration.nullish() }).nullish(),
    lifetimeActions: z
      .array(
        z.object({
          trigger: z.object({ timeAfterCreate: duration.nullish(), timeBeforeExpiry: duration.nullish() }),
          action: z.object({ type: actionType }),
        }),
      )
      .nullish(),
  }),
)

/** A policy as clients send it. Throws {@link Refusal} for one that Key Vault would refuse. */
export function parseRotationPolicy(body: unknown): Pick<RotationPolicy, 'expiryTime' | 'lifetimeActions'> {
  const { attributes, lifetimeActions: given } = parseBody(body)
  const expiryTime = attributes?.expiryTime ?? undefined
  const lifetimeActions = (given ?? []).map(({ trigger, action }): LifetimeAction => {
    const { timeAfterCreate, timeBeforeExpiry } = trigger
    if ((timeAfterCreate == null) === (timeBeforeExpiry == null)) {
      throw refusal(`the trigger of ${action.type} must have one of timeAfterCreate and timeBeforeExpiry`)
    }
    return {
      trigger: timeAfterCreate == null ? { timeBeforeExpiry: timeBeforeExpiry ?? '' } : { timeAfterCreate },
      action,
    }
  })
  checkExpiry(expiryTime)
  for (const action of lifetimeActions) checkAction(action, expiryTime)
  const types = lifetimeActions.map(({ action }) => action.type)
  if (new Set(types).size < types.length) throw refusal('each of Rotate and Notify may occur once')
  return { expiryTime, lifetimeActions }
}

function checkExpiry(expiryTime: string | undefined): void {
  if (expiryTime === undefined || daysOf(expiryTime) >= minExpiryDays) return
  throw refusal(`expiryTime is ${expiryTime} and must be at least ${minExpiryDays} days`)
}

function checkAction({ trigger, action: { type } }: LifetimeAction, expiryTime: string | undefined): void {
  if ('timeAfterCreate' in trigger) {
    if (type === 'Notify') throw refusal('Notify is triggered by timeBeforeExpiry only')
    const tooEarly = daysOf(trigger.timeAfterCreate) < minRotationDays
    if (tooEarly) throw refusal(`timeAfterCreate must be at least ${minRotationDays} days`)
    const tooLate = expiryTime !== undefined && daysOf(trigger.timeAfterCreate) > daysOf(expiryTime) - minRotationDays
    if (tooLate) throw refusal(`timeAfterCreate must end ${minRotationDays} days before expiryTime at the latest`)
    return
  }
  if (type === 'Notify') return
  if (expiryTime === undefined) throw refusal('Rotate with timeBeforeExpiry needs an expiryTime')
  if (daysOf(trigger.timeBeforeExpiry) < minRotationDays) {
    throw refusal(`timeBeforeExpiry must be at least ${minRotationDays} days`)
  }
  if (daysOf(trigger.timeBeforeExpiry) > daysOf(expiryTime) - minRotationDays) {
    throw refusal(`timeBeforeExpiry leaves less than ${minRotationDays} days of ${expiryTime}`)
  }
}

/** When a version that is created at `created` expires, both in seconds since the epoch. */
export function expiryOf(policy: RotationPolicy | undefined, created: number): number | undefined {
  const validity = parseCalendarDuration(policy?.expiryTime ?? '')
  return validity === undefined ? undefined : addCalendarDuration(created, validity)
}

/** The fields of a version that its policy depends on. Times are in seconds since the epoch. */
interface RotatedVersion {
  created: number
  exp?: number | undefined
  payload: { rotationPolicy?: RotationPolicy | undefined }
}

/** When the policy's action of this type is due for the latest version; undefined for never. */
export function dueOf({ created, exp, payload }: RotatedVersion, type: 'Rotate' | 'Notify'): number | undefined {
  const actions = payload.rotationPolicy?.lifetimeActions ?? defaultLifetimeActions
  const trigger = actions.find(({ action }) => action.type === type)?.trigger
  if (trigger === undefined) return undefined
  const text = 'timeAfterCreate' in trigger ? trigger.timeAfterCreate : trigger.timeBeforeExpiry
  const duration = parseCalendarDuration(text)
  if (duration === undefined) return undefined
  if ('timeAfterCreate' in trigger) return addCalendarDuration(created, duration)
  return exp === undefined ? undefined : addCalendarDuration(exp, duration, -1)
}

function daysOf(text: string): number {
  return roughDays(parseCalendarDuration(text) ?? { months: 0, days: 0 })
}

function refusal(problem: string): Error {
  return badParameter(`Property key rotation policy has invalid value: ${problem}.`)
}
