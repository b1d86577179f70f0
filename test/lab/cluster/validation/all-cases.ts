import type { ValidationCase } from './case.ts'
import { definitionCases } from './definition-cases.ts'
import { configMapCases, metadataCases } from './metadata-cases.ts'
import { eventCases, leaseCases, serviceAccountCases } from './other-cases.ts'
import { podCases } from './pod-cases.ts'
import { secretCases } from './secret-cases.ts'

/** Objects of the built-in kinds that the product writes, valid and invalid. */
export const validationCases: readonly ValidationCase[] = [
  ...metadataCases,
  ...configMapCases,
  ...secretCases,
  ...serviceAccountCases,
  ...leaseCases,
  ...eventCases,
  ...podCases,
  ...definitionCases,
]
