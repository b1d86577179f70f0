// Checks of charts/keymount that need only Node: values, schema, templates and the daemons' flags have the same names.
// Checks that need helm (rendering, and that deploy/ is the result) are in test/packaging/charts.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { daemonFlags } from './daemon-flags.ts'

const root = join(import.meta.dirname, '..')
const chart = join(root, 'charts/keymount')
const systems = ['linux', 'windows']
const daemons = ['driver', 'provider', 'node'] as const

interface Schema {
  $ref?: string
  $comment?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
  items?: Schema
  definitions?: Record<string, Schema>
}

const read = (path: string) => readFileSync(join(chart, path), 'utf8')
const values: unknown = parse(read('values.yaml'))
const schema = JSON.parse(read('values.schema.json')) as Schema
const templates = globSync('templates/*', { cwd: chart }).map((path) => ({ path, text: read(path) }))

const problems = [
  ...yamlProblems(),
  ...versionProblems(),
  ...schemaProblems(),
  ...templateProblems(),
  ...flagProblems(),
]
for (const problem of problems) process.stderr.write(`charts/keymount/${problem}\n`)
process.exitCode = problems.length === 0 ? 0 : 1

/** Every YAML file that is not a template parses, without a key twice. */
function yamlProblems(): string[] {
  return globSync(['*.yaml', 'files/**/*.yaml'], { cwd: chart }).flatMap((path) =>
    [...parseAllDocuments(read(path))].flatMap(({ errors }) => errors.map(({ message }) => `${path}: ${message}`)),
  )
}

/** The chart is versioned with the package. */
function versionProblems(): string[] {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const head = parse(read('Chart.yaml')) as Record<string, unknown>
  return ['version', 'appVersion']
    .filter((key) => head[key] !== version)
    .map((key) => `Chart.yaml: ${key} is ${String(head[key])}, package.json has ${version}`)
}

/** The defaults are valid, each key has both a default and a schema, and no object of the schema accepts unknown keys by accident. */
function schemaProblems(): string[] {
  const invalid = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(values)
  return [
    ...(invalid.error?.issues ?? []).map(({ path, message }) => `values.yaml: ${path.join('.')}: ${message}`),
    ...pairProblems(values, schema, []),
    ...openObjects(schema, []).map((path) => `values.schema.json: ${path}: has no additionalProperties`),
  ]
}

function pairProblems(value: unknown, node: Schema, path: string[]): string[] {
  const { properties } = resolveRef(node)
  if (properties === undefined || !isObject(value)) return []
  const at = (key: string) => [...path, key].join('.')
  return [
    ...Object.keys(value)
      .filter((key) => !(key in properties))
      .map((key) => `values.schema.json: ${at(key)} of values.yaml is missing`),
    ...Object.entries(properties)
      .filter(([key, child]) => !(key in value) && child.$comment !== 'unset by default')
      .map(([key]) => `values.yaml: ${at(key)} of values.schema.json is missing`),
    ...Object.entries(properties).flatMap(([key, child]) => pairProblems(value[key], child, [...path, key])),
  ]
}

function openObjects(node: Schema, path: string[]): string[] {
  const children = Object.entries({
    ...node.properties,
    ...node.definitions,
    ...(node.items ? { items: node.items } : {}),
  })
  const open = node.properties !== undefined && node.additionalProperties === undefined
  return [...(open ? [path.join('.')] : []), ...children.flatMap(([key, child]) => openObjects(child, [...path, key]))]
}

/** Templates use values that exist, and each value is used: a value without effect would mislead users. */
function templateProblems(): string[] {
  const used = templates.flatMap(({ path, text }) => usedValues(text).map((name) => ({ path, name })))
  const known = knownPaths(schema, [])
  const reads = (leaf: string, name: string) =>
    leaf === name || leaf.startsWith(`${name}.`) || name.startsWith(`${leaf}.`)
  return [
    ...used
      .filter(({ name }) => !known.some((leaf) => reads(leaf, name)))
      .map(({ path, name }) => `${path}: .Values.${name} is not in values.schema.json`),
    ...known
      .filter((leaf) => !used.some(({ name }) => reads(leaf, name)))
      .map((leaf) => `values.yaml: nothing reads ${leaf}`),
  ]
}

/**
 * The values that a template reads, in the forms that this chart uses: `.Values.a.b`, `$values.a.b`, `$os.a.b` (of
 * either OS), and the names in the lists of _settings.tpl, which are read from an OS and from each of its daemons.
 */
function usedValues(text: string): string[] {
  const names = [...text.matchAll(/(?:\.Values|\$values)((?:\.[A-Za-z]\w*)+)/g)].map(([, name]) =>
    (name ?? '').slice(1),
  )
  const perSystem = [...text.matchAll(/\$os((?:\.[A-Za-z]\w*)+)|\(index [^()]*\.os\)((?:\.[A-Za-z]\w*)+)/g)].map(
    ([, name, indexed]) => (name ?? indexed ?? '').slice(1),
  )
  const shared = [...text.matchAll(/range \$key := list ((?:"\w+" ?)+)/g)].flatMap(([, list]) => words(list ?? ''))
  const own = [...text.matchAll(/index \$(?:os \.daemon|block) "(\w+)"/g)].map(([, word]) => word ?? '')
  const perDaemon = [...shared, ...own].flatMap((word) => daemons.map((daemon) => `${daemon}.${word}`))
  const perSystemNames = [...perSystem, ...shared, ...perDaemon].flatMap((name) => systems.map((os) => `${os}.${name}`))
  return [...names, ...perSystemNames]
}

function words(text: string): string[] {
  return [...text.matchAll(/\w+/g)].map(([word]) => word)
}

/** Paths of all values that the schema names, down to those that are not objects of ours. */
function knownPaths(node: Schema, path: string[]): string[] {
  const { properties } = resolveRef(node)
  if (
    properties === undefined ||
    ['resources', 'updateStrategy', 'mutatingWebhookNamespaceSelector'].includes(path.at(-1) ?? '')
  )
    return [path.join('.')]
  return Object.entries(properties)
    .filter(([key]) => key !== 'global')
    .flatMap(([key, child]) => knownPaths(child, [...path, key]))
}

/** The flags that the file of a daemon, _DAEMON.tpl, passes are flags that the daemon has. */
function flagProblems(): string[] {
  return [...daemons, 'controller' as const].flatMap((daemon) => {
    const path = `templates/_${daemon}.tpl`
    const flags = [...read(path).matchAll(/^- (?:\{\{ printf ")?--?([a-z][\w-]*)/gm)].map(([, flag]) => flag ?? '')
    return flags
      .filter((flag) => !(flag in daemonFlags[daemon]))
      .map((flag) => `${path}: --${flag} is not a flag of ${daemon}`)
  })
}

function resolveRef(node: Schema): Schema {
  return node.$ref === undefined ? node : (schema.definitions?.[node.$ref.replace('#/definitions/', '')] ?? {})
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
