import type { User } from '../access/service-account-tokens.ts'
import type { ResourceRow } from '../kinds/resource-row.ts'

/** An object to create, as requested by a user or a controller. */
export interface Creation {
  row: ResourceRow
  version: string
  namespace: string | undefined
  body: unknown
  user: User
  dryRun: boolean
  warn(text: string): void
}
