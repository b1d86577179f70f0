/** One way to sign in that a server offers with a 401. https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1 */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  scheme: string
  /** By name in lower case. */
  parameters: Readonly<Record<string, string | undefined>>
}

const maxLength = 8192
/** A quoted string, a separator, or anything up to the next one of them. */
const piece = /"(?:[^"\\]|\\.)*"|[\s,=]|[^\s,="]+/y

/** Reads a `WWW-Authenticate` header. What is not well formed ends it; what came before counts. */
export function parseChallenges(header: string): Challenge[] {
  const words = wordsOf(header.slice(0, maxLength))
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  for (let at = 0; at < words.length; ) {
    const [name = '', equals, value = ''] = words.slice(at, at + 3)
    if (name === ',') at += 1
    else if (equals === '=' && challenges.length > 0) {
      const current = challenges.at(-1)
      if (current !== undefined) current.parameters[name.toLowerCase()] = unquote(value)
      at += 3
    } else {
      challenges.push({ scheme: name.toLowerCase(), parameters: {} })
      at += 1
    }
  }
  return challenges
}

function wordsOf(header: string): string[] {
  const words: string[] = []
  piece.lastIndex = 0
  for (;;) {
    const match = piece.exec(header)
    if (match === null) return words
    if (match[0].trim() !== '') words.push(match[0])
  }
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
}
