import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Longer inputs are not kept: what they reach, a shorter one does too. */
const maxBytes = 4096

/** The inputs of a corpus file: one a line, as base64. */
export function readCorpus(file: string): Buffer[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return lines.map((line) => Buffer.from(line, 'base64'))
}

export function addToCorpus(file: string, inputs: readonly Buffer[]): void {
  const all = [...readCorpus(file), ...inputs].filter(({ length }) => length <= maxBytes)
  const lines = new Set(all.map((input) => input.toString('base64')).filter((line) => line !== ''))
  writeFileSync(file, `${[...lines].join('\n')}\n`)
}
