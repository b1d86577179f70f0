import { statusLimits } from './status-limits.ts'

/** Controls, and marks that change the direction of text: a name with one could show another name, or write to a terminal. */
const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu

/** A text that a user of the cluster wrote, as it may be shown: one line of printable characters, of bounded length. */
export function cleanText(text: unknown, most: number = statusLimits.text.value): string {
  if (typeof text !== 'string') return ''
  // Cut before and after: what is replaced must not take time in proportion to what is thrown away.
  const clean = text
    .slice(0, most + 1)
    .replaceAll(unprintable, ' ')
    .trim()
  return clean.length > most || text.length > most ? `${clean.slice(0, most - 1).replace(/\p{Cs}$/u, '')}…` : clean
}

export function cleanName(text: unknown): string {
  return cleanText(text, statusLimits.name.value)
}

/** Commands that may be pasted into a shell: one that would have to be cut or changed is left out. */
export function cleanCommands(commands: readonly string[]): string[] {
  return commands.filter((command) => command !== '' && cleanText(command) === command)
}
