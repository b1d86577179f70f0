import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ValidationAnswer } from './case.ts'

type Answers = Record<string, ValidationAnswer>

const pathOf = (name: string) => join(import.meta.dirname, `${name}.json`)

/** The version that the local cluster follows. */
const recordedVersion = read('answers').version

/** What a real API server answered to each case, as `scripts/record-validation.ts` wrote it down. */
export function readAnswers(): Answers {
  return read('answers').answers
}

/** The same of another version: what differs is recorded. Undefined for a version that was not recorded. */
export function readAnswersOf(version: string): Answers | undefined {
  if (version === recordedVersion) return readAnswers()
  const name = differencesOf(version)
  return existsSync(pathOf(name)) ? { ...readAnswers(), ...read(name).answers } : undefined
}

/** Of the version that the local cluster follows all of them, of another one those that differ. Gives the name of the file. */
export function writeAnswers(version: string, answers: Answers): string {
  const known = version === recordedVersion ? {} : readAnswers()
  const entries = Object.entries(answers).filter(
    ([name, answer]) => JSON.stringify(known[name]) !== JSON.stringify(answer),
  )
  const lines = entries.map(([name, answer]) => `  ${JSON.stringify(name)}: ${JSON.stringify(answer)}`)
  const file = pathOf(version === recordedVersion ? 'answers' : differencesOf(version))
  writeFileSync(file, `{\n${[`  "version": ${JSON.stringify(version)}`, ...lines].join(',\n')}\n}\n`)
  return file
}

function differencesOf(version: string): string {
  return `answers-${version}`
}

function read(name: string): { version: string; answers: Answers } {
  const { version, ...answers } = JSON.parse(readFileSync(pathOf(name), 'utf8')) as Answers & { version: string }
  return { version, answers }
}
