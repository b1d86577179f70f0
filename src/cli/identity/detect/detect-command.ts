import { type Command, Option } from 'commander'
import { type CommandsContext, homeOf, withCluster } from '../command-options.ts'
import type { ProxyMode } from './migrated-workload.ts'

interface DetectOptions {
  namespace: string
  outputDir?: string
  proxy: ProxyMode
  proxyPort: string
  serviceAccountTokenExpiration: string
  tenantId: string
  kubeconfig?: string
  home?: string
}

/** `keymount podidentity detect`. */
export function addPodIdentity(program: Command, context: CommandsContext): void {
  const command = program
    .command('podidentity')
    .alias('pi')
    .summary('move from AAD Pod Identity to workload identity')
    .description('For clusters that still have AAD Pod Identity.')
    .command('detect')
    .summary('write what a namespace needs to move')
    .description(
      'Finds the workloads whose pods have an AzureIdentity by a binding, and writes for each its service account and its ' +
        'own manifest for workload identity, and one script with the federated credentials. Changes nothing itself.',
    )
    .option('--namespace <namespace>', 'which one', 'default')
    .option('-o, --output-dir <directory>', 'where to; it is made; - for standard output')
    .addOption(
      new Option(
        '--proxy <how>',
        'how applications that ask IMDS go on: the webhook’s sidecar, containers of their own, or none',
      )
        .choices(['annotation', 'containers', 'none'])
        .default('annotation'),
    )
    .option('-p, --proxy-port <port>', 'where the sidecar listens', '8000')
    .option('--service-account-token-expiration <time>', 'how long tokens live, 1h to 24h', '1h')
    .option('--tenant-id <id>', 'tenant of the identities, when it is not that of the webhook', '')
  withCluster(command).action(async (options: DetectOptions) => {
    const { detect } = await import('./detect.ts')
    const { namespace, outputDir, proxy, proxyPort, tenantId, kubeconfig } = options
    const tokenExpiration = options.serviceAccountTokenExpiration
    const how = { proxy, proxyPort, tokenExpiration, tenantId, kubeconfig }
    const { world, finish } = context
    finish(await detect({ namespace, outputDirectory: outputDir, ...how, home: homeOf(context, options), world }))
  })
}
