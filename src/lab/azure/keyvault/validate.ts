import { z } from 'zod'
import { badParameter } from './error-response.ts'
import { maxTagLength, maxTags } from './limits.ts'

const seconds = z.number().int().min(0)

const attributes = z.object({ enabled: z.boolean().optional(), nbf: seconds.optional(), exp: seconds.optional() })

const tags = z
  .record(z.string().max(maxTagLength), z.string().max(maxTagLength))
  .refine((given) => Object.keys(given).length <= maxTags, `at most ${maxTags} tags`)

/** The fields that bodies of all kinds share. A null means "not given": several SDKs send it. */
export const commonFields = { tags: tags.nullish(), attributes: attributes.nullish() }

export const parseRestore = bodyParser(z.object({ value: z.base64url() }))

/** Parses a body. Throws {@link Refusal} with every problem. Values are never quoted: one of them is the secret. */
export function bodyParser<T extends z.ZodType>(schema: T): (body: unknown) => z.output<T> {
  return (body) => {
    const parsed = schema.safeParse(body)
    if (parsed.success) return parsed.data
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    throw badParameter(`Property has invalid value: ${problems.join('; ')}`)
  }
}
