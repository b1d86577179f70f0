import { build } from 'esbuild'

/** A program and all that it imports as one CommonJS file, small enough for a ConfigMap. Runs with the Node of the product's image. */
export async function bundleApplication(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    legalComments: 'none',
    // Only for .proto files, which nothing of ours loads.
    external: ['@grpc/proto-loader'],
    write: false,
    logLevel: 'silent',
  })
  const [output] = outputFiles
  if (output === undefined) throw new Error(`${file} gave no bundle`)
  return output.text
}
