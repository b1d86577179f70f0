import { fields, list } from './fields.ts'
import type { Schema } from './structural-schema.ts'

/** A schema of a definition, which contains itself. */
const jsonSchema = fields(
  'JSONSchemaProps',
  `$ref $schema default:any definitions:any dependencies:any description enum:any example:any exclusiveMaximum:bool
   exclusiveMinimum:bool externalDocs:any format id maxItems:int64 maxLength:int64 maxProperties:int64 maximum:any
   minItems:int64 minLength:int64 minProperties:int64 minimum:any multipleOf:any nullable:bool pattern required:[]string
   title type uniqueItems:bool x-kubernetes-embedded-resource:bool x-kubernetes-int-or-string:bool
   x-kubernetes-list-map-keys:[]string x-kubernetes-list-type x-kubernetes-map-type
   x-kubernetes-preserve-unknown-fields:bool x-kubernetes-validations:any`,
)
const orBoolean: Schema = { ...jsonSchema, 'x-go-type': 'v1.JSONSchemaPropsOrBool' }
const byName: Schema = { type: 'object', additionalProperties: jsonSchema }
Object.assign(jsonSchema.properties ?? {}, {
  additionalItems: orBoolean,
  additionalProperties: orBoolean,
  allOf: list(jsonSchema),
  anyOf: list(jsonSchema),
  items: jsonSchema,
  not: jsonSchema,
  oneOf: list(jsonSchema),
  patternProperties: byName,
  properties: byName,
})

/** The spec of a CustomResourceDefinition. */
export const definitionSpecFields = fields('CustomResourceDefinitionSpec', 'group preserveUnknownFields:bool scope', {
  conversion: fields('CustomResourceConversion', 'strategy', {
    webhook: fields('WebhookConversion', 'conversionReviewVersions:[]string', {
      clientConfig: fields('WebhookClientConfig', 'caBundle:bytes url service:any'),
    }),
  }),
  names: fields(
    'CustomResourceDefinitionNames',
    'categories:[]string kind listKind plural shortNames:[]string singular',
  ),
  versions: list(
    fields(
      'CustomResourceDefinitionVersion',
      'deprecated:bool deprecationWarning name selectableFields:any served:bool storage:bool',
      {
        additionalPrinterColumns: list(
          fields('CustomResourceColumnDefinition', 'description format jsonPath name priority:int32 type'),
        ),
        schema: fields('CustomResourceValidation', '', { openAPIV3Schema: jsonSchema }),
        subresources: fields('CustomResourceSubresources', 'scale:any status:any'),
      },
    ),
  ),
})
