import { parseAdmissionReview } from '../../../src/product/webhook/admission-review.ts'
import { mutatePod } from '../../../src/product/webhook/mutate-pod.ts'
import { parsePod } from '../../../src/product/webhook/parse-pod.ts'
import { refuses } from '../expected-error.ts'

const settings = {
  tenantId: 'tenant',
  authorityHost: 'https://login.microsoftonline.com/',
  audience: 'api://AzureADTokenExchange',
  legacyTokenPath: true,
  proxy: { image: 'i', initImage: 'i', extraArgs: [], env: [], logLevel: '' },
} as const

/** The body of an admission review, and the pod in it. */
export function fuzz(data: Buffer): void {
  const review = refuses(() => parseAdmissionReview(data))
  if (review === undefined) return
  const pod = refuses(() => parsePod(review.object))
  if (pod !== undefined) refuses(() => mutatePod(pod, { 'azure.workload.identity/client-id': 'c' }, settings as never))
}
