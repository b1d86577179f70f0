/** A word as a POSIX shell reads it back; plain words stay plain. */
export function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** A command line that can be pasted into a shell. Words of the form `"$NAME"` are left as they are. */
export function commandLine(...words: readonly string[]): string {
  return words.map((word) => (/^"\$\w+"$/.test(word) ? word : quoteForShell(word))).join(' ')
}
