import { casesOf } from './case.ts'

const names = { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' }
const schema = (spec: object) => ({
  openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { a: spec } } } },
})
const version = (fields: object = {}) => ({
  ...{ name: 'v1', served: true, storage: true, schema: schema({ type: 'string' }) },
  ...fields,
})
const definition = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com', ...metadata },
  spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version()], ...spec },
})
const withSchema = (field: object) => definition({ versions: [version({ schema: schema(field) })] })

/** What the product's own definitions use, and common mistakes in one. */
export const definitionCases = casesOf('apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
  'a definition': definition(),
  'another name than plural.group': definition({}, { name: 'gadgets.example.com' }),
  'no group': definition({ group: '' }),
  'a group without a dot': definition({ group: 'example' }, { name: 'widgets.example' }),
  'a group in upper case': definition({ group: 'Example.com' }),
  'a protected group': definition({ group: 'x.k8s.io' }, { name: 'widgets.x.k8s.io' }),
  'a protected group with approval': definition(
    { group: 'x.k8s.io' },
    { name: 'widgets.x.k8s.io', annotations: { 'api-approved.kubernetes.io': 'unapproved' } },
  ),
  'no scope': definition({ scope: '' }),
  'an unknown scope': definition({ scope: 'Global' }),
  'no plural': definition({ names: { ...names, plural: '' } }),
  'no kind': definition({ names: { ...names, kind: '' } }),
  'a plural in upper case': definition({ names: { ...names, plural: 'Widgets' } }),
  'a kind with a space': definition({ names: { ...names, kind: 'A Widget' } }),
  'a list kind equal to the kind': definition({ names: { ...names, listKind: 'Widget' } }),
  'a short name in upper case': definition({ names: { ...names, shortNames: ['WD'] } }),
  'a category': definition({ names: { ...names, categories: ['all'] } }),
  'no versions': definition({ versions: [] }),
  'no stored version': definition({ versions: [version({ storage: false })] }),
  'two stored versions': definition({ versions: [version(), version({ name: 'v2' })] }),
  'two versions of one name': definition({ versions: [version(), version({ storage: false })] }),
  'a version name in upper case': definition({ versions: [version({ name: 'V1' })] }),
  'a version without a schema': definition({ versions: [version({ schema: undefined })] }),
  'a version with an empty schema': definition({ versions: [version({ schema: {} })] }),
  'a schema that is not an object': definition({
    versions: [version({ schema: { openAPIV3Schema: { type: 'string' } } })],
  }),
  'a schema without a type': definition({ versions: [version({ schema: { openAPIV3Schema: {} } })] }),
  'unknown fields kept': withSchema({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
  'unknown fields kept, false': withSchema({ type: 'object', 'x-kubernetes-preserve-unknown-fields': false }),
  'a field without a type': withSchema({}),
  'a field of an unknown type': withSchema({ type: 'text' }),
  'an array without items': withSchema({ type: 'array' }),
  'an array of texts': withSchema({ type: 'array', items: { type: 'string' } }),
  'a map of texts': withSchema({ type: 'object', additionalProperties: { type: 'string' } }),
  'a map with named fields': withSchema({
    type: 'object',
    properties: { b: { type: 'string' } },
    additionalProperties: { type: 'string' },
  }),
  'an int-or-string': withSchema({ 'x-kubernetes-int-or-string': true }),
  'an int-or-string with a type': withSchema({ type: 'string', 'x-kubernetes-int-or-string': true }),
  'a default': withSchema({ type: 'string', default: 'x' }),
  'a default of another type': withSchema({ type: 'string', default: 1 }),
  'a default that is not among the allowed values': withSchema({ type: 'string', enum: ['a'], default: 'b' }),
  'a pattern': withSchema({ type: 'string', pattern: '^a$' }),
  'a pattern that is not one': withSchema({ type: 'string', pattern: '(' }),
  'a reference': withSchema({ $ref: '#/definitions/x' }),
  'unique items': withSchema({ type: 'array', items: { type: 'string' }, uniqueItems: true }),
  'a keyed list without keys': withSchema({
    ...{ type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' },
  }),
  'an unknown list type': withSchema({
    ...{ type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'bag' },
  }),
  'preserved fields of the whole object': definition({ preserveUnknownFields: true }),
  'a column': definition({
    versions: [version({ additionalPrinterColumns: [{ name: 'A', type: 'string', jsonPath: '.spec.a' }] })],
  }),
  'a column of an unknown type': definition({
    versions: [version({ additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.spec.a' }] })],
  }),
  'a column without a path': definition({
    versions: [version({ additionalPrinterColumns: [{ name: 'A', type: 'string' }] })],
  }),
  'an unknown conversion': definition({ conversion: { strategy: 'Magic' } }),
  'a webhook conversion without a webhook': definition({ conversion: { strategy: 'Webhook' } }),
  'a status subresource': definition({ versions: [version({ subresources: { status: {} } })] }),
  'an unknown field': definition({ version: 'v1' }),
  'an unknown field of a schema': withSchema({ type: 'string', patern: 'x' }),
})
