/**
 * A text for errors and logs with the user and password of a URL left out: `http://…@proxy:3128`. Whatever follows the scheme
 * up to the last `@` counts as such, because a malformed URL is quoted most often.
 */
export function withoutUserInfo(text: string): string {
  const end = text.lastIndexOf('@')
  if (end < 0) return text
  const scheme = text.indexOf('://')
  if (scheme >= 0) return scheme < end ? `${text.slice(0, scheme + 3)}…${text.slice(end)}` : text
  // `user:password@host`, which some programs take for a proxy.
  return /^[^\s/@]*:/.test(text) ? `…${text.slice(end)}` : text
}
