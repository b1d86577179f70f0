import packageJson from '../../package.json' with { type: 'json' }
import { createLinuxMounter, createWindowsMounter, type DriverConfig, startDriver } from '../driver/index.ts'
import { createKubeClient, inClusterConfig, type KubeConfig, loadKubeconfig } from '../kube/index.ts'
import type { Log, Running } from '../lib/index.ts'

/** Commit and date are set by the image build; empty when run from the sources. */
export const driverBuild = {
  BuildVersion: `v${packageJson.version}`,
  GitCommit: process.env['KEYMOUNT_COMMIT'] ?? '',
  BuildDate: process.env['KEYMOUNT_BUILD_DATE'] ?? '',
}

/** The driver with the machine's own mounts and the cluster that the command line, KUBECONFIG or the pod names. */
export async function startDriverDaemon(config: DriverConfig, log: Log): Promise<Running> {
  const { BuildVersion: version } = driverBuild
  const userAgent = `csi-secrets-store/controller/${version} (${process.platform}/${process.arch})`
  const kube = createKubeClient(kubeConfig(config.kubeconfig ?? process.env['KUBECONFIG']), { userAgent })
  const mounter = process.platform === 'win32' ? createWindowsMounter() : createLinuxMounter()
  const running = await startDriver(config, { kube, mounter, log, version })
  return {
    async stop() {
      await running.stop()
      kube.close()
    },
  }
}

function kubeConfig(path: string | undefined): KubeConfig {
  if (path !== undefined && path !== '') return loadKubeconfig(path, { environment: process.env })
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
  if (host === undefined || port === undefined)
    throw new Error('no cluster to speak to: give --kubeconfig or KUBECONFIG, or run in a pod')
  return inClusterConfig({ host, port })
}
