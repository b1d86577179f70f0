import { randomInt } from 'node:crypto'

const letters = 'bcdfghjklmnpqrstvwxz2456789'

/** Five characters as Kubernetes appends them to a generated name: none that could spell a word. */
export function randomSuffix(): string {
  return Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('')
}
