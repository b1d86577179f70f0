/** A name of a Kubernetes object, of which parts may be filled in later: `${NAME}`. */
export function isName(text: string): boolean {
  const filled = text.replaceAll(/\$\{[A-Za-z_]\w{0,62}\}/g, 'x')
  return filled.length <= 253 && filled.split('.').every((part) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(part))
}
