import { Option } from 'commander'
import { defineCommand } from '../../command.ts'
import { addCluster, type ClusterOption } from '../../options.ts'
import type { ProxyMode } from './migrated-workload.ts'

interface DetectOptions extends ClusterOption {
  namespace: string
  outputDir?: string
  proxy: ProxyMode
  proxyPort: string
  serviceAccountTokenExpiration: string
  tenantId: string
}

/** `keymount podidentity detect`. */
export const detectCommand = defineCommand<DetectOptions>({
  name: 'detect',
  summary: 'write the files that migrate a namespace',
  description:
    'Finds the workloads whose pods get an AzureIdentity by a binding, and writes for each a service account and its own ' +
    'manifest with workload identity, and a script that creates the federated credentials. It changes nothing itself.',
  options(command) {
    command
      .option('--namespace <namespace>', 'namespace to migrate', 'default')
      .option('-o, --output-dir <directory>', 'directory to write to, created if needed; - for standard output')
      .addOption(
        new Option(
          '--proxy <how>',
          'how applications that ask IMDS get tokens: by the webhook’s sidecar, by containers in their manifests, or not at all',
        )
          .choices(['annotation', 'containers', 'none'])
          .default('annotation'),
      )
      .option('-p, --proxy-port <port>', 'port of the sidecar', '8000')
      .option('--service-account-token-expiration <time>', 'lifetime of tokens, 1h to 24h', '1h')
      .option('--tenant-id <id>', 'tenant of the identities, if it is not that of the webhook', '')
    addCluster(command)
  },
  async run({ options, world }) {
    const { namespace, outputDir, proxy, proxyPort, tenantId, kubeconfig, home } = options
    const { detect } = await import('./detect.ts')
    return detect({
      ...{ namespace, outputDirectory: outputDir, proxy, proxyPort, tenantId },
      tokenExpiration: options.serviceAccountTokenExpiration,
      cluster: { kubeconfig, home },
      world,
    })
  },
})
