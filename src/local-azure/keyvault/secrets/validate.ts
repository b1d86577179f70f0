import { z } from 'zod'
import { badParameter } from '../error-response.ts'
import { maxContentTypeLength, maxSecretBytes, maxTagLength, maxTags } from '../limits.ts'

const seconds = z.number().int().min(0)

const attributes = z.object({ enabled: z.boolean().optional(), nbf: seconds.optional(), exp: seconds.optional() })

const tags = z
  .record(z.string().max(maxTagLength), z.string().max(maxTagLength))
  .refine((given) => Object.keys(given).length <= maxTags, `at most ${maxTags} tags`)

// A null stands for "not given": several SDKs write it so.
const common = {
  contentType: z.string().max(maxContentTypeLength).nullish(),
  tags: tags.nullish(),
  attributes: attributes.nullish(),
}

const setBody = z.object({
  ...common,
  value: z
    .string()
    .refine((value) => Buffer.byteLength(value) <= maxSecretBytes, `the value has more than ${maxSecretBytes} bytes`),
})

const updateBody = z.object(common)
const restoreBody = z.object({ value: z.base64url() })

export const parseSetSecret = parser(setBody)
export const parseUpdateSecret = parser(updateBody)
export const parseRestoreSecret = parser(restoreBody)

/** Parses a body, or throws {@link VaultError} with every problem. Values are never quoted: one of them is the secret. */
function parser<T extends z.ZodType>(schema: T): (body: unknown) => z.output<T> {
  return (body) => {
    const parsed = schema.safeParse(body)
    if (parsed.success) return parsed.data
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    throw badParameter(`Property has invalid value: ${problems.join('; ')}`)
  }
}
