const maxLength = 253

/** What {@link isObjectName} takes. */
export const objectNameForm = 'lower case letters, digits, "-" and ".", at most 253'

/** Whether most kinds of objects can have this name. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export function isObjectName(text: string): boolean {
  return text.length <= maxLength && text.split('.').every((part) => /^[a-z0-9]+(-+[a-z0-9]+)*$/.test(part))
}
