/**
 * azure/class: a SecretProviderClass of the provider `azure`: `parseParameters` gives its parameters by type, every
 * problem at once and in the words that users of upstream search for. Pure: it reads no file and sends no request, so the
 * provider parses with it at mount, and `checkClass` reports what would fail before a pod mounts the class.
 *
 * `classParameters`, `objectFields` and `jsonPathFields` are the tables that the parser, the reference and the JSON Schema
 * share; `classLimits` bounds what a class may hold.
 */
export { checkClass } from './check-class.ts'
export { checkClassTask } from './check-class-task.ts'
export { type ClassFiles, classFiles, type NamedFile, namedFiles } from './class-files.ts'
export { classLimits } from './class-limits.ts'
export type { ClassSpec } from './class-spec.ts'
export { collidingPaths } from './file-name.ts'
export { type Finding, formatFinding } from './finding.ts'
export {
  jsonPathFields,
  type ObjectFieldRow,
  type ObjectFieldTable,
  objectFields,
  selectFields,
  templateFields,
} from './object-fields.ts'
export * from './object-spec.ts'
export {
  classParameters,
  type ParameterRow,
  type ParameterTable,
  type ParameterValues,
  retiredParameters,
} from './parameter-table.ts'
export { type ClassObjects, createObjectsParser, type ParseObjects } from './parse-objects.ts'
export { parseParameters } from './parse-parameters.ts'
export { selectedFileName } from './select-file-name.ts'
export { compileNamePattern, type NamePattern } from './select-pattern.ts'
export { checkTenant } from './tenant.ts'
export { unknownCloud } from './unknown-cloud.ts'
export { anyName, type VaultObject, vaultObjects, vaultObjectsTask } from './vault-objects.ts'
