/**
 * azure-class: what a SecretProviderClass of the provider `azure` says: its parameters as one typed wish (`parseParameters`),
 * every problem at once and in the words that people of the field search for. Pure: it reads no file and asks nobody, so the
 * provider parses with it at mount, and `checkClass` tells whoever sees a class before that what would fail.
 */
export { checkClass } from './check-class.ts'
export type { ClassIdentity, ClassSpec } from './class-spec.ts'
export { collidingPaths } from './file-name.ts'
export { type Finding, formatFinding } from './finding.ts'
export {
  type ExtractSpec,
  type ObjectEncoding,
  type ObjectFormat,
  type ObjectSpec,
  type ObjectType,
  objectLabel,
} from './object-spec.ts'
export { parseJsonPath } from './parse-json-path.ts'
export { createObjectsParser, type ParseObjects } from './parse-objects.ts'
export { parseParameters } from './parse-parameters.ts'
export { invalidTenant, isTenant } from './tenant.ts'
export { unknownCloud } from './unknown-cloud.ts'
