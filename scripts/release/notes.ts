/**
 * The notes of a version: its section of CHANGELOG.md, with links that work outside of the repository. Throws if there is none.
 *
 * @param files address of the repository's files at that version
 */
export function releaseNotes(changelog: string, version: string, files: string): string {
  const sections = changelog.split(/^## /m).slice(1)
  const section = sections.find((text) => text.split('\n')[0]?.split(' ')[0] === version)
  const body = section?.split('\n').slice(1).join('\n').trim() ?? ''
  if (body === '') throw new Error(`CHANGELOG.md has no section "## ${version}"`)
  return `# Keymount ${version}\n\n${body.replaceAll(/\]\((?!https?:)/g, `](${files}/`)}\n`
}
