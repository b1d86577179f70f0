// Regenerates the TypeScript of proto/*.proto. The result is committed; run this after editing a .proto file.
// buf and ts-proto are fetched on demand because nothing else needs their 130 MB.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
  }
} finally {
  rmSync(work, { recursive: true })
}
