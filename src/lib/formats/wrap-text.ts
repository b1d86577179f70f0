/** Breaks a long text into lines of at most `width` characters, longer only where a single word is. */
export function wrapText(text: string, width = 96): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
