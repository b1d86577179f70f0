/** The name of a file as a field of a template: characters other than letters, digits and `_` of ASCII become `_`. */
export function fieldOf(fileName: string): string {
  return fileName.replace(/[^A-Za-z0-9_]/g, '_')
}
