/** Whether a text is an address of IMDS: `http://HOST[:PORT]`, with or without a slash at its end. */
export function isImdsEndpoint(text: string): boolean {
  return /^http:\/\/[^/?#@]+\/?$/.test(text) && URL.canParse(text)
}
