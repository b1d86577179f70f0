const pages = 'https://github.com/keymount/keymount/blob/main/docs'

/** The pages with the rules of `keymount lint` (KL) and `keymount migrate` (KM). */
export const rulePages = { lint: `${pages}/lint.md`, migrate: `${pages}/migrate-findings.md` } as const

/** Where a rule is explained: its section on the page of its command. */
export function ruleLink(id: string): string {
  return `${id.startsWith('KM') ? rulePages.migrate : rulePages.lint}#${id.toLowerCase()}`
}

/** Gives the link at the first finding of each rule, and nothing at the others: a long list does not repeat it. */
export function linksOnce(): (id: string) => string | undefined {
  const seen = new Set<string>()
  return (id) => {
    if (seen.has(id)) return undefined
    seen.add(id)
    return ruleLink(id)
  }
}
