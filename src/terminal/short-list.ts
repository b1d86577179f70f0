/** A list in words, of as many names as a reader looks at: `a, b, c, d, e and 25 more`. */
export function shortList(names: readonly string[], most = 5): string {
  const more = names.length - most
  return more <= 1 ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${more} more`
}
