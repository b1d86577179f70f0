import { rulesOf } from '../../src/cli/migrate/convert.ts'
import { commonRules, type MigrateRule } from '../../src/cli/migrate/rule.ts'
import { sources } from '../../src/cli/migrate/sources/index.ts'
import { generatedFrom } from './table.ts'

const intro = `# Findings of keymount migrate

${generatedFrom('the rule tables (`src/cli/migrate`)')}

[migrate-secrets.md](migrate-secrets.md) describes the command. An error leaves the object out of the output: it is converted as a whole, or
not at all.
`

/** The text of docs/migrate-findings.md. */
export function migrateFindingsPage(): string {
  const common = sections(commonRules)
  const shown = new Set(Object.keys(commonRules))
  const bySource = sources.map((source) => {
    const own = Object.entries(rulesOf(source)).filter(([id]) => !shown.has(id))
    for (const [id] of own) shown.add(id)
    return `## ${source.title}\n\n${sections(Object.fromEntries(own))}`
  })
  return [intro, `## Any object\n\n${common}`, ...bySource.filter((text) => text.includes('###'))].join('\n')
}

function sections(rules: Readonly<Record<string, MigrateRule>>): string {
  return Object.entries(rules)
    .map(([id, { title, severity, why, right }]) => {
      const heading = `${title[0]?.toUpperCase() ?? ''}${title.slice(1)} (${severity}).`
      return `### ${id}\n\n${heading} ${why}\n\n**Expected:** ${right}.\n`
    })
    .join('\n')
}
