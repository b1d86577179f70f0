import type { Manifest, Path } from '#azure/lint'

/** Comments about tools, not about the object. */
const directive = /^\s*(?:keymount-lint:|yaml-language-server:|yamllint |source: )/i

function commentOf(line: string): string | undefined {
  const [, text] = /^\s*#\s?(.*)$/.exec(line) ?? []
  return text === undefined || directive.test(text) ? undefined : text
}

const maxLines = 50

/** The comment above the first line of the object's document; empty for an item of a list. */
export function headComment({ document = '' }: Manifest): string {
  const lines: string[] = []
  for (const line of document.split('\n', 2 * maxLines)) {
    if (/^(?:---|\.\.\.|%)/.test(line) || line.trim() === '') continue
    if (!/^\s*#/.test(line)) break
    const comment = commentOf(line)
    if (comment !== undefined) lines.push(comment)
  }
  return lines.slice(0, maxLines).join('\n')
}

/** Finds the comment on the lines directly above an entry of the object, and behind its first line. */
export function entryComments(text: string): (manifest: Manifest, path: Path) => string {
  const lines = text.split('\n')
  return (manifest, path) => {
    const at = manifest.placeOf(path).line - 1
    const found: string[] = []
    for (let index = at - 1; index >= 0 && found.length < maxLines; index--) {
      const line = lines[index] ?? ''
      if (!/^\s*#/.test(line)) break
      const comment = commentOf(line)
      if (comment !== undefined) found.unshift(comment)
    }
    const [, behind] = /^[^'"#]*\s#\s?(.*)$/.exec(lines[at] ?? '') ?? []
    if (behind !== undefined && !directive.test(behind)) found.push(behind)
    return found.join('\n')
  }
}
