/** Finds the exported parsers of product code, and how to call those that take more than a text. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problems } from '#lib'

const root = join(import.meta.dirname, '../..')

export interface Parser {
  /** `src/azure/class/parse-objects.ts#parseObjects` */
  id: string
  file: string
  name: string
}

type Arguments = (text: string) => readonly unknown[]

const asBytes: Arguments = (text) => [Buffer.from(text)]
const ignore = () => {}
const withReport: Arguments = (text) => [text, ignore]
const withProblems: Arguments = (text) => [text, new Problems()]
const request = (text: string) => ({
  volumeId: text,
  targetPath: `/${text}`,
  volumePath: `/${text}`,
  readonly: true,
  stagingTargetPath: '',
  publishContext: {},
  volumeCapability: undefined,
  volumeContext: { secretProviderClass: text, 'csi.storage.k8s.io/pod.name': text, [text.slice(0, 5000)]: text },
  secrets: { 'csi.storage.k8s.io/serviceAccount.tokens': text },
})

/** Arguments of the parsers that do not take one text alone, by their names. */
const argumentsOf: Readonly<Record<string, Arguments>> = {
  parseServiceAccountTokens: (text) => [text, ['api://AzureADTokenExchange']],
  parseTokenAnswer: asBytes,
  parseAdmissionReview: asBytes,
  parseEntries: withProblems,
  parseOnly: withReport,
  parseOptional: withReport,
  parseMode: withReport,
  parseType: withReport,
  parseFormat: (text) => [text, 'secret', ignore],
  parseEncoding: (text) => [text, 'secret', ignore],
  parseTemplates: (text) => [text, { objects: [], selects: [] }, new Problems()],
  parseObjects: withProblems,
  parseParameters: (text) => [
    new Map([
      ['objects', text],
      ['keyvaultName', text],
      [text, text],
    ]),
    new Problems(),
  ],
  parseJson: (text) => ['the input', text],
  parseXml: (text) => ['the input', text],
  parseEventMessage: (text) => [text, { vaultSuffix: 'vault.azure.net' }],
  parseSourceJson: (text) => ['the input', text],
  parseGoInteger: (text) => [text, 32],
  parsePod: (text) => [
    {
      metadata: { annotations: { [text]: text } },
      spec: { containers: [{ name: text, volumeMounts: [{ mountPath: text }], env: [{ name: text, value: text }] }] },
    },
  ],
  parseTokenQuery: (text) => [new URLSearchParams(text)],
  decodeMountRequest: (text) => [{ attributes: text, secrets: text, permission: text }],
  decodeValue: (text) => [Buffer.from(text), 'hex'],
  parseManagedIdentities: (text) => [[text]],
  parsePublishRequest: (text) => [request(text)],
  parseUnpublishRequest: (text) => [request(text)],
  parseStatsRequest: (text) => [request(text)],
  parseClass: (text) => [
    {
      metadata: { name: 'a', namespace: 'b' },
      spec: { provider: 'azure', parameters: { objects: text, [text]: text, syncInterval: text } },
    },
    { secretProviderClass: 'a', [text]: text },
    { attributesWin: true },
  ],
  parseTokenRequest: (text) => [
    { method: 'GET', headers: { metadata: 'true', a: text }, query: new URLSearchParams(text) },
    { requireMetadataHeader: true, defaultClientId: 'client' },
  ],
}

/** Parsers that are not called here, each with its reason. */
export const left: Readonly<Record<string, string>> = {
  parseYaml: 'takes a budget; parseObjects calls it with the real one',
  parseObject: 'takes what parseEntries returns; parseObjects calls both',
  parseSelects: 'takes what parseEntries returns; parseObjects calls both',
  parseExtracts: 'takes a part of what parseEntries returns; parseObjects calls both',
  parseMount: 'takes what decodeMountRequest returns, and its parsers',
  parseDer: 'takes a library; it runs in a worker thread, and key-material.test.ts has its hostile inputs',
  parseProgram: 'reads a command line, which the administrator writes',
  parseGoFlags: 'reads a command line, which the administrator writes',
}

/** Every exported function of product code whose name begins with parse or decode. */
export function findParsers(): Parser[] {
  const files = globSync('src/{azure,daemon,kubernetes,lib,product}/**/*.ts', { cwd: root })
  return files
    .filter((file) => !/\.test\.ts$|\/generated\//.test(file))
    .toSorted()
    .flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/^export (?:async )?function ((?:parse|decode)\w*)/gm)].map(
        ([, name = '']) => ({ id: `${file}#${name}`, file, name }),
      ),
    )
}

/** What to call the parser with; a parser that is not listed takes the text. */
export function argumentsFor(name: string, text: string): readonly unknown[] {
  return (argumentsOf[name] ?? ((one: string) => [one]))(text)
}

export const listed = Object.keys(argumentsOf)
