import { defineCommand } from '../command.ts'
import { addCluster, type ClusterOption, splitNames } from '../options.ts'

interface JwksOptions extends ClusterOption {
  publicKeys?: string[]
  fromCluster?: boolean
  outputFile?: string
  issuerUrl?: string
  outputDir?: string
}

/** `keymount identity jwks`. */
export const jwksCommand = defineCommand<JwksOptions>({
  name: 'jwks',
  summary: 'write the public keys of an issuer as a JSON Web Key Set',
  description:
    'Writes the public keys of a cluster’s service account tokens as a JSON Web Key Set, which Entra fetches to verify ' +
    'tokens. With --issuer-url and --output-dir it also writes the discovery document, ready for a static web site.',
  options(command) {
    command
      .option(
        '--public-keys <files>',
        'PEM files with public keys, private keys or certificates; repeatable, or separated by commas',
        splitNames,
      )
      .option('--from-cluster', 'use the keys that the cluster publishes')
      .option('--output-file <file>', 'file to write (default: standard output)')
      .option('--issuer-url <url>', 'write both documents of this issuer …')
      .option('--output-dir <directory>', '… below this directory')
    addCluster(command)
  },
  async run({ options, world }) {
    const { publicKeys = [], fromCluster = false, outputFile, issuerUrl, outputDir, kubeconfig, home } = options
    const { jwks } = await import('./jwks.ts')
    const documents = { outputFile, issuerUrl, outputDirectory: outputDir }
    return jwks({ publicKeys, fromCluster, ...documents, cluster: { kubeconfig, home }, world })
  },
})
