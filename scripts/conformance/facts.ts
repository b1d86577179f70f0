import { isDeepStrictEqual } from 'node:util'
import { AzureRestError } from '#azure/rest'
import { errorMessage } from '#lib'
import { type Case, cases, type Setting } from './cases.ts'

/** One thing that a case looked at. */
export interface Fact {
  case: string
  what: string
  expected: unknown
  found: unknown
}

/** Runs the cases one after the other. A case that fails gives a fact, and the next one runs. */
export async function collectFacts(
  setting: Setting,
  signal: AbortSignal,
  chosen: readonly Case[] = cases,
): Promise<Fact[]> {
  const facts: Fact[] = []
  for (const { name, run } of chosen) {
    signal.throwIfAborted()
    try {
      await run(setting, (what, found, expected) => facts.push({ case: name, what, expected, found }))
    } catch (error) {
      signal.throwIfAborted()
      const found = error instanceof AzureRestError ? [error.status, error.code, error.text] : errorMessage(error)
      facts.push({ case: name, what: 'ends', expected: 'without an error', found })
    }
  }
  return facts
}

export function differs({ expected, found }: Fact): boolean {
  return !isDeepStrictEqual(found, expected)
}

export interface Differences {
  local: readonly Fact[]
  azure?: readonly Fact[] | undefined
}

/** The facts that are not as expected somewhere, as a table; empty when there are none. */
export function tableOfDifferences({ local, azure = [] }: Differences): string {
  const keyOf = (fact: Fact) => `${fact.case}\0${fact.what}`
  const [ofLocal, ofAzure] = [local, azure].map((facts) => new Map(facts.map((fact) => [keyOf(fact), fact])))
  const keys = [...new Set([...local, ...azure].filter(differs).map(keyOf))]
  if (keys.length === 0) return ''
  const rows = keys.map((key) => {
    const [here, there] = [ofLocal?.get(key), ofAzure?.get(key)]
    const { case: name = '', what = '', expected } = here ?? there ?? {}
    return [
      name,
      what,
      text(expected),
      here === undefined ? '-' : text(here.found),
      there === undefined ? '-' : text(there.found),
    ]
  })
  const head = ['case', 'what', 'expected', 'local Azure', 'Azure']
  const shown = azure.length === 0 ? 4 : 5
  const table = [head, ...rows].map((row) => row.slice(0, shown))
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const maxWidth = 60

function text(value: unknown): string {
  const json = JSON.stringify(value) ?? 'undefined'
  return json.length <= maxWidth ? json : `${json.slice(0, maxWidth - 1)}…`
}
