import type { Command } from 'commander'
import { type CommandsContext, homeOf, splitNames, withCluster } from './command-options.ts'

interface JwksOptions {
  publicKeys?: string[]
  fromCluster?: boolean
  outputFile?: string
  issuerUrl?: string
  outputDir?: string
  kubeconfig?: string
  home?: string
}

/** `keymount identity jwks`. */
export function addJwks(parent: Command, context: CommandsContext): void {
  const command = parent
    .command('jwks')
    .summary('the public keys of an issuer as a JSON Web Key Set')
    .description(
      'Makes the JSON Web Key Set of a cluster’s service account keys, which Entra fetches to verify tokens; with ' +
        '--issuer-url and --output-dir the discovery document too, ready to be put on a static web site.',
    )
    .option(
      '--public-keys <files>',
      'PEM: public keys, private keys or certificates; repeatable or with commas',
      splitNames,
    )
    .option('--from-cluster', 'the keys that the cluster publishes')
    .option('--output-file <file>', 'where to (default: standard output)')
    .option('--issuer-url <url>', 'write both documents of this issuer …')
    .option('--output-dir <directory>', '… below this directory')
  withCluster(command).action(async (options: JwksOptions) => {
    const { jwks } = await import('./jwks.ts')
    const { publicKeys = [], fromCluster = false, outputFile, issuerUrl, outputDir, kubeconfig } = options
    const where = { outputFile, issuerUrl, outputDirectory: outputDir, kubeconfig }
    const { world } = context
    context.finish(await jwks({ publicKeys, fromCluster, ...where, home: homeOf(context, options), world }))
  })
}
