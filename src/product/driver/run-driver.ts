import { buildVersion, clusterConfig } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import type { Log, Running } from '#lib'
import type { DriverConfig } from './config.ts'
import { createLinuxMounter } from './mount/mounter-linux.ts'
import { createWindowsMounter } from './mount/mounter-windows.ts'
import { startDriver } from './start-driver.ts'

/** Commit and date are set by the image build; empty when run from the sources. */
export const driverBuild = {
  BuildVersion: buildVersion,
  GitCommit: process.env['KEYMOUNT_COMMIT'] ?? '',
  BuildDate: process.env['KEYMOUNT_BUILD_DATE'] ?? '',
}

/** The driver with the machine's own mounts and the cluster that the command line, KUBECONFIG or the pod names. */
export async function startDriverDaemon(config: DriverConfig, log: Log): Promise<Running> {
  const { BuildVersion: version } = driverBuild
  const userAgent = `csi-secrets-store/controller/${version} (${process.platform}/${process.arch})`
  const kubeconfig = config.kubeconfig ?? process.env['KUBECONFIG'] ?? ''
  const kube = createKubeClient(clusterConfig(kubeconfig, process.env), { userAgent })
  const mounter = process.platform === 'win32' ? createWindowsMounter() : createLinuxMounter()
  const running = await startDriver(config, { kube, mounter, log, version })
  return {
    async stop() {
      await running.stop()
      kube.close()
    },
  }
}
