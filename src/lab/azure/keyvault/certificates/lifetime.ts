import { z } from 'zod'

/** What a certificate's policy does when the expiry is near. */
export const lifetimeActionSchema = z.object({
  trigger: z
    .object({
      lifetime_percentage: z.number().int().min(1).max(99).nullish(),
      days_before_expiry: z.number().int().min(1).max(3650).nullish(),
    })
    .refine(
      ({ lifetime_percentage: share, days_before_expiry: days }) => (share == null) !== (days == null),
      'expected one of lifetime_percentage and days_before_expiry',
    )
    .transform(({ lifetime_percentage: share, days_before_expiry: days }) => ({
      lifetime_percentage: share ?? undefined,
      days_before_expiry: days ?? undefined,
    })),
  action: z.object({ action_type: z.enum(['AutoRenew', 'EmailContacts']) }),
})

export type LifetimeAction = z.output<typeof lifetimeActionSchema>

const daySeconds = 24 * 3600

/** When the policy renews a certificate with this validity (in seconds since the epoch); undefined for never. */
export function renewalOf(
  { lifetime_actions: actions, issuer }: { lifetime_actions: readonly LifetimeAction[]; issuer: { name: string } },
  { nbf, exp }: { nbf?: number | undefined; exp?: number | undefined },
): number | undefined {
  const trigger = actions.find(({ action }) => action.action_type === 'AutoRenew')?.trigger
  if (trigger === undefined || issuer.name !== 'Self' || nbf === undefined || exp === undefined) return undefined
  if (trigger.days_before_expiry !== undefined) return exp - trigger.days_before_expiry * daySeconds
  return Math.floor(nbf + ((exp - nbf) * (trigger.lifetime_percentage ?? 100)) / 100)
}
