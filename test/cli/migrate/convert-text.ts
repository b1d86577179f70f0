import assert from 'node:assert/strict'
import { parse, parseAllDocuments } from 'yaml'
import { lint } from '#azure/lint'
import type { KubeObject, SecretProviderClass } from '#kubernetes/client'
import { type Converted, convert } from '../../../src/cli/migrate/convert.ts'
import type { ConvertOptions, SourceName } from '../../../src/cli/migrate/migrate-options.ts'
import { readTexts } from '../../../src/cli/migrate/read-files.ts'

export interface ConvertTextOptions extends Partial<ConvertOptions> {
  from?: SourceName | 'auto'
  /** Keys of Secrets of the cluster, by name. */
  keys?: Readonly<Record<string, readonly string[]>>
}

/** What the conversion of a text gives, in forms that tests compare. */
export interface ConvertedText {
  converted: Converted
  /** `KM110 12: message`, errors, in the order of the findings. */
  errors: string[]
  /** Of remarks. */
  remarks: string[]
  /** Objects that were written. */
  objects: KubeObject[]
  text: string
}

/** Converts manifests as `keymount migrate` does, and checks what always holds: lint has no error, twice gives the same. */
export function convertText(text: string, options: ConvertTextOptions = {}): ConvertedText {
  const { from = 'auto', keys, ...given } = options
  const read = readTexts([{ name: 'in.yaml', text }])
  assert.deepEqual(read.problems, [])
  const all: ConvertOptions = {
    strategy: 'secrets',
    suffix: '',
    serviceAccount: undefined,
    clientId: undefined,
    tenantId: undefined,
    acceptPem: false,
    providerMap: new Map(),
    ...given,
  }
  const run = () =>
    convert({ ...read, from, options: all, keysOfSecret: (_, name) => keys?.[name] ?? { why: 'not read' } })
  const converted = run()
  assert.deepEqual(textsOf(run()), textsOf(converted))
  const files = converted.files.map(({ path, text: each }) => ({ name: path, text: each }))
  const { findings } = lint(files, { kubernetes: { major: 1, minor: 34 } })
  const wrong = findings.filter(({ severity, file }) => severity === 'error' && !isUnchanged(converted, file))
  assert.deepEqual(wrong, [])
  const shown = (isError: boolean) =>
    converted.findings
      .filter(({ severity }) => (severity === 'error') === isError)
      .map(({ id, line, message }) => `${id} ${line}: ${message}`)
  return {
    converted,
    errors: shown(true),
    remarks: shown(false),
    objects: files.flatMap((file) => parseAllDocuments(file.text).map((one) => one.toJS() as KubeObject)),
    text: files.map((file) => file.text).join('---\n'),
  }
}

function isUnchanged({ files }: Converted, path: string): boolean {
  return files.some((file) => file.path === path && file.draft.how === 'unchanged')
}

function textsOf({ files, findings }: Converted) {
  return { files: files.map(({ path, text }) => [path, text]), findings }
}

/** The only object of a kind. */
export function only<T = KubeObject>({ objects }: ConvertedText, kind: string): T {
  const found = objects.filter((one) => one.kind === kind)
  assert.equal(found.length, 1, `${kind}: ${objects.map((one) => one.kind).join(', ')}`)
  return found[0] as T
}

/** Entries of `objects` of the only class. */
export function entriesOf(result: ConvertedText): Record<string, unknown>[] {
  return parse(parametersOf(result).objects ?? '') as Record<string, unknown>[]
}

export function parametersOf(result: ConvertedText): Record<string, string> {
  return only<SecretProviderClass>(result, 'SecretProviderClass').spec?.parameters ?? {}
}

/** `key=path` of the only SecretSync. */
export function dataOf(result: ConvertedText): string[] {
  const sync = only<{ spec: { secretObject: { data: { sourcePath: string; targetKey: string }[] } } }>(
    result,
    'SecretSync',
  )
  return sync.spec.secretObject.data.map(({ sourcePath, targetKey }) => `${targetKey}=${sourcePath}`)
}
