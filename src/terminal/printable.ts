/** What a terminal would obey, or what changes the direction of text. */
const special =
  /(\p{Cc})(\[(?:1|2|22|31|32|36|39)m)?|[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu

/**
 * A text as it may be written to a terminal: what comes from a cluster, a server or a file may hold sequences that set the title, fill the
 * clipboard or hide lines. They are shown as `\u001b`, which is also what JSON has for them. Line feeds, tabs and the colours of
 * `createStyle` stay.
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(special, (found, control: string = found, colour = '') => {
    if (control === '\n' || control === '\t' || (control === '\u001b' && colour !== '')) return found
    return `\\u${(control.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}${colour}`
  })
}

/** A text of a file or its name as a part of one line: it must not look like another line, such as a command of GitHub's workflows. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
}
