import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ValidationAnswer } from './case.ts'

/** What a real API server answered to each case, as `scripts/record-validation.ts` wrote it down. */
export function readAnswers(): Record<string, ValidationAnswer> {
  const { version: _, ...answers } = JSON.parse(readFileSync(join(import.meta.dirname, 'answers.json'), 'utf8'))
  return answers
}
