/** The arguments with these flags instead of earlier values of them. */
export function withFlags(args: readonly string[], flags: ReadonlyMap<string, string>): string[] {
  const kept = args.filter((word) => !flags.has(flagOf(word)))
  return [...kept, ...[...flags].map(([name, value]) => `--${name}=${value}`)]
}

/** `v` of `--v=5`; empty for a word that is no flag with a value. */
export function flagOf(word: string): string {
  return /^--([\w-]+)=/.exec(word)?.[1] ?? ''
}
