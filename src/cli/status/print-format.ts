import { stringify } from 'yaml'

/** How `keymount status` prints what it has found. */
export type StatusFormat = 'text' | 'json' | 'yaml'

/** The data for programs, in one of their formats. */
export function printFormat(data: unknown, format: Exclude<StatusFormat, 'text'>): string {
  return format === 'json' ? JSON.stringify(data, null, 2) : stringify(data).trimEnd()
}
