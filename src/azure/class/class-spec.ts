import type { ClassIdentity } from '#azure/identity'
import type { ObjectSpec, SelectSpec, TemplateSpec } from './object-spec.ts'
import type { ParameterValues } from './parameter-table.ts'

/** The parameters of a class, parsed once; nothing behind the parser reads their texts again. */
export interface ClassSpec {
  values: ParameterValues
  identity: ClassIdentity
  objects: readonly ObjectSpec[]
  selects: readonly SelectSpec[]
  templates: readonly TemplateSpec[]
}
