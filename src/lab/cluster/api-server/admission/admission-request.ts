import type { User } from '../access/service-account-tokens.ts'
import type { ApiObject } from '../api-object.ts'
import type { ResourceRow } from '../kinds/resource-row.ts'

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE'

/** A write, as requested by a user or a controller. */
export interface AdmissionRequest {
  operation: Operation
  row: ResourceRow
  version: string
  /** Empty for the object itself. */
  subresource: string
  namespace: string | undefined
  user: User
  dryRun: boolean
  warn(text: string): void
}

/** The object of a write: as it would be stored, and as it is. */
export interface Written {
  /** Undefined when it is deleted. */
  object?: ApiObject | undefined
  /** Undefined when it is new. */
  oldObject?: ApiObject | undefined
}
