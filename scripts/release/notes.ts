/** The notes of a version: its section of CHANGELOG.md. Throws if there is none. */
export function releaseNotes(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1)
  const section = sections.find((text) => text.split('\n')[0]?.split(' ')[0] === version)
  const body = section?.split('\n').slice(1).join('\n').trim() ?? ''
  if (body === '') throw new Error(`CHANGELOG.md has no section "## ${version}"`)
  return `# Keymount ${version}\n\n${body}\n`
}
