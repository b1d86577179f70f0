import { join } from 'node:path'
import { stringify } from 'yaml'
import type { UntypedObject } from '#kubernetes/client'
import { clusterDefaults } from '#packaging/charts'
import type { ProductSettings } from './product-objects.ts'

/**
 * What a chart of the package has to know of one cluster of the lab (its image, paths, ports, and the way to Azure), as
 * values of charts/keymount in a ConfigMap of that cluster: so `helm install` needs no more flags than a walk-through has.
 */
export function chartDefaults(
  settings: Pick<ProductSettings, 'image' | 'kubeletRoot' | 'azure' | 'shared'>,
): UntypedObject {
  const { image, kubeletRoot, azure, shared } = settings
  const [repository, tag] = image?.split(/:(?=[^/]*$)/) ?? []
  const values = {
    ...(shared === undefined
      ? {}
      : { metricsAddr: String(shared.ports.providerMetrics), livenessProbe: { port: shared.ports.driverHealth } }),
    ...(azure === undefined
      ? {}
      : { proxySettings: { httpsProxy: azure.proxy, noProxy: azure.noProxy.join(','), proxyCert: azure.caPem } }),
    linux: {
      ...(repository === undefined ? {} : { image: { repository, tag } }),
      kubeletRootDir: kubeletRoot,
      ...(shared === undefined
        ? {}
        : {
            providersDir: shared.providersDirectory,
            additionalProvidersDirs: [join(shared.providersDirectory, 'additional')],
            metricsAddr: `127.0.0.1:${shared.ports.driverMetrics}`,
            healthzPort: shared.ports.providerHealth,
          }),
      ...(azure === undefined
        ? {}
        : { provider: { env: [{ name: 'AZURE_POD_IDENTITY_AUTHORITY_HOST', value: azure.imds }] } }),
    },
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: clusterDefaults,
    data: { 'values.yaml': stringify(values) },
  }
}
