/** What hostile-input.test.ts has to find: a parser that compares each line with all lines before it. */
export function parseSlowly(text: string): string[] {
  const different: string[] = []
  for (const line of text.slice(0, 40_000).split(',')) {
    let isNew = true
    for (const other of different) if (other === line) isNew = false
    if (isNew || line === '1') different.push(line)
  }
  return different
}
