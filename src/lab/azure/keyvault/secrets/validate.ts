import { z } from 'zod'
import { maxContentTypeLength, maxSecretBytes } from '../limits.ts'
import { bodyParser, commonFields } from '../validate.ts'

const common = { ...commonFields, contentType: z.string().max(maxContentTypeLength).nullish() }

const setBody = z.object({
  ...common,
  value: z
    .string()
    .refine((value) => Buffer.byteLength(value) <= maxSecretBytes, `the value has more than ${maxSecretBytes} bytes`),
})

export const parseSetSecret = bodyParser(setBody)
export const parseUpdateSecret = bodyParser(z.object(common))
