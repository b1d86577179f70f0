import { z } from 'zod'
import { Refusal } from '../http/refusal.ts'

/** Shapes that many resource types share. */
export const tagsSchema = z
  .record(z.string().max(512), z.string().max(256))
  .nullish()
  .transform((tags) => tags ?? {})
export const locationSchema = z.string().min(1)
export const guidSchema = z.guid().transform((guid) => guid.toLowerCase())

/** `West Europe` and `westeurope` are the same location. */
function normalizeLocation(location: string): string {
  return location.toLowerCase().replaceAll(' ', '')
}

/** The location of a new resource, or of an existing one, which cannot move. Throws {@link Refusal}. */
export function resolveLocation(
  given: string | undefined,
  existing: { name: string; location: string } | undefined,
  what: 'resource' | 'resource group' = 'resource',
): string {
  if (existing === undefined) {
    if (given !== undefined) return normalizeLocation(given)
    throw new Refusal(400, 'LocationRequired', 'The location property is required for this definition.')
  }
  if (given === undefined || normalizeLocation(given) === existing.location) return existing.location
  const code = what === 'resource group' ? 'InvalidResourceGroupLocation' : 'InvalidResourceLocation'
  throw new Refusal(
    409,
    code,
    `The ${what} '${existing.name}' already exists in location '${existing.location}'. A ${what} with the same name cannot be created in location '${normalizeLocation(given)}'. Please select a new name.`,
  )
}
