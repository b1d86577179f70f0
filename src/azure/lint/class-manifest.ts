import { type ClassSpec, checkClass, createObjectsParser, type Finding, parseParameters } from '#azure/class'
import { Problems } from '#lib'
import { recordOf, stringOf, textsOf, valueAt } from '#lib/formats'
import { type ClassTexts, classTexts, findingPlace } from './finding-place.ts'
import type { Place } from './place.ts'
import type { Manifest } from './read-manifests.ts'

export interface PlacedFinding extends Finding, Place {}

/** What stands for a placeholder while a class is checked: valid for most fields, and recognizable in a message. */
export const filledIn = 'fillmein'

/** What a pipeline replaces before it applies a manifest: `${NAME}`, `$NAME`, `$(NAME)`, `<name>`, `{{ name }}`, `#{NAME}#`. */
const placeholder = /\$\{[^{}\n]*\}|\$\([\w.-]+\)|\$[A-Z_]+|<[^<>\n]+>|\{\{[^{}\n]*\}\}|#\{[^{}\n]*\}#?/g

/** Whether a text, of the manifest or of the class as it is checked, will be another one when the manifest is applied. */
export function hasPlaceholder(text: string): boolean {
  return text.includes(filledIn) || text.search(placeholder) >= 0
}

/** Placeholders that cannot be an action or a variable of a template. */
const placeholderInTemplate = /\$\{|\$\(|<[^<>\n]+>|#\{/

/** A SecretProviderClass. */
export interface ClassManifest {
  manifest: Manifest
  provider: string
  /** Those that are texts. */
  parameters: ReadonlyMap<string, string>
  /** Of a class of the provider azure; undefined where its parameters cannot be read. */
  spec: ClassSpec | undefined
  /** Findings of the provider's own parser, with places. */
  findings: readonly PlacedFinding[]
  texts: ClassTexts
}

export function classManifest(manifest: Manifest): ClassManifest {
  const parse = createObjectsParser()
  const value = filledClass(manifest.value)
  const spec = recordOf(value.spec)
  const provider = stringOf(spec?.provider) ?? ''
  const parameters = new Map(Object.entries(textsOf(spec?.parameters)))
  const texts = classTexts(manifest, parameters)
  const findings = checkClass(value, parse)
    .filter((one) => !dependsOnPlaceholder(one, parameters))
    .map((one) => ({ ...one, ...findingPlace(one, texts) }))
  const problems = new Problems()
  const parsed = provider === 'azure' ? parseParameters(parameters, problems, parse) : undefined
  return { manifest, provider, parameters, spec: problems.count === 0 ? parsed : undefined, findings, texts }
}

/**
 * The class as it is checked. `{{ … }}` in `templates` is what the provider executes: what comes later may fill in a name of
 * an object, but not these.
 */
function filledClass(value: Record<string, unknown>): Record<string, unknown> {
  const filled = withoutPlaceholders(value)
  const templates = valueAt(value, 'spec', 'parameters', 'templates')
  const [spec, parameters] = [recordOf(filled.spec), recordOf(valueAt(filled, 'spec', 'parameters'))]
  if (spec === undefined || parameters === undefined || templates === undefined) return filled
  return { ...filled, spec: { ...spec, parameters: { ...parameters, templates } } }
}

/** The value with {@link filledIn} for each placeholder: nothing is known about what it will be. */
function withoutPlaceholders<T>(value: T): T {
  if (typeof value === 'string') return value.replaceAll(placeholder, filledIn) as T
  if (Array.isArray(value)) return value.map(withoutPlaceholders) as T
  const record = recordOf(value)
  if (record === undefined) return value
  return Object.fromEntries(Object.entries(record).map(([name, one]) => [name, withoutPlaceholders(one)])) as T
}

/** Whether the finding may be wrong once the placeholders of the class are filled in. */
function dependsOnPlaceholder({ path, message }: Finding, parameters: ReadonlyMap<string, string>): boolean {
  if (message.includes(filledIn)) return true
  if (!path.startsWith('spec.parameters') || !/\btemplates\b/.test(`${path} ${message}`)) return false
  const isAboutNames = /no object of the class is|no entry of objects has/.test(message)
  if (isAboutNames && parameters.get('objects')?.includes(filledIn) === true) return true
  return placeholderInTemplate.test(message)
}
