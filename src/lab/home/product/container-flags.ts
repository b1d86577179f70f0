/** The arguments with these flags; earlier values of the same flags are removed. */
export function withFlags(args: readonly string[], flags: ReadonlyMap<string, string>): string[] {
  const kept = args.filter((word) => !flags.has(flagOf(word)))
  return [...kept, ...[...flags].map(([name, value]) => `--${name}=${value}`)]
}

/** `v` of `--v=5`; empty for a word that is not a flag with a value. */
export function flagOf(word: string): string {
  return /^--([\w-]+)=/.exec(word)?.[1] ?? ''
}
