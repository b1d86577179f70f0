import type { ClassIdentity } from '#azure/identity'
import type { ObjectSpec } from './object-spec.ts'
import type { ParameterValues } from './parameter-table.ts'

/** What the parameters of a class say, parsed once; nothing behind the parser looks at their texts again. */
export interface ClassSpec {
  values: ParameterValues
  identity: ClassIdentity
  objects: readonly ObjectSpec[]
}
