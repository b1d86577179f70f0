/** Tests actions against the patterns of a role. Patterns and actions have no case; `*` matches any text, slashes included. */
export function createActionMatch(allowed: readonly string[], denied: readonly string[]): (action: string) => boolean {
  const allow = allowed.map(patternOf)
  const deny = denied.map(patternOf)
  const verdicts = new Map<string, boolean>()
  return (action) => {
    const cached = verdicts.get(action)
    if (cached !== undefined) return cached
    const verdict = allow.some((pattern) => pattern.test(action)) && !deny.some((pattern) => pattern.test(action))
    verdicts.set(action, verdict)
    return verdict
  }
}

function patternOf(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.\\+?^${}()|[\]]/g, '\\$&').replaceAll('*', '.*')}$`, 'i')
}
