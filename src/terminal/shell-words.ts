/** A word as a POSIX shell reads it back; plain words stay plain. */
function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** What a command before this one has set. */
const variables: ReadonlySet<string> = new Set(
  ['CLIENT_ID', 'TENANT_ID', 'PRINCIPAL_ID', 'CREDENTIAL', 'ISSUER'].map((name) => `"$${name}"`),
)

/**
 * A command line that can be pasted into a shell. The words `"$CLIENT_ID"`, `"$TENANT_ID"`, `"$PRINCIPAL_ID"`, `"$CREDENTIAL"` and
 * `"$ISSUER"` are left as they are; any other variable that a name of a cluster spells is not one.
 */
export function commandLine(...words: readonly string[]): string {
  return words.map((word) => (variables.has(word) ? word : quoteForShell(word))).join(' ')
}
