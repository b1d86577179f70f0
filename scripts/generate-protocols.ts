// Regenerates the TypeScript of proto/*.proto. The result is committed; run this after editing a .proto file.
// buf and ts-proto are fetched on demand because nothing else needs their 130 MB.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const targets = [
  { proto: 'csi.proto', out: 'src/kubernetes/csi/generated' },
  { proto: 'health.proto', out: 'src/kubernetes/grpc/generated' },
  { proto: 'registration.proto', out: 'src/kubernetes/csi/generated' },
  { proto: 'provider.proto', out: 'src/kubernetes/provider-protocol/generated' },
]

const options = [
  'outputServices=grpc-js',
  'esModuleInterop=true',
  'importSuffix=.ts',
  'forceLong=number',
  'enumsAsLiterals=true',
  'oneof=unions-value',
  'useExactTypes=false',
  'outputJsonMethods=false',
  'outputPartialMethods=false',
  'useOptionals=none',
  'env=node',
]

/** What ts-proto has no option for. */
const corrections: [RegExp, string][] = [
  // A response of megabytes would be in memory once more; nothing else holds the message's bytes.
  [/Buffer\.from\(reader\.bytes\(\)\)/g, '(reader.bytes() as Buffer)'],
  // An assignment loses the key `__proto__`, which is valid in a Secret.
  [
    /message\.(\w+)\[(\w+)\.key\] = \2\.value;/g,
    'Object.defineProperty(message.$1, $2.key, { value: $2.value, configurable: true, enumerable: true, writable: true });',
  ],
]

const work = mkdtempSync(join(tmpdir(), 'keymount-proto-'))
try {
  for (const { proto, out } of targets) {
    const template = join(work, `${proto}.yaml`)
    writeFileSync(
      template,
      JSON.stringify({
        version: 'v2',
        plugins: [{ local: 'protoc-gen-ts_proto', out, opt: options }],
      }),
    )
    execFileSync(
      'npm',
      [
        'exec',
        '--yes',
        '--package=@bufbuild/buf@1.75.0',
        '--package=ts-proto@2.18.0',
        '--',
        'buf',
        'generate',
        'proto',
        '--path',
        `proto/${proto}`,
        '--template',
        template,
      ],
      { stdio: 'inherit' },
    )
    correct(join(out, proto.replace('.proto', '.ts')))
  }
} finally {
  rmSync(work, { recursive: true })
}

function correct(file: string): void {
  const text = readFileSync(file, 'utf8')
  writeFileSync(
    file,
    corrections.reduce((all, [from, to]) => all.replace(from, to), text),
  )
}
