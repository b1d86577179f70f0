import { buildVersion, clusterConfig, startTracing } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { socketsOf } from '#kubernetes/sockets'
import type { Log, Running } from '#lib'
import type { Environment } from '#lib/flags'
import type { DriverConfig } from './config.ts'
import { createLinuxMounter } from './mount/mounter-linux.ts'
import { createWindowsMounter } from './mount/mounter-windows.ts'
import { startDriver } from './start-driver.ts'

/** The driver with the machine's own mounts, in the cluster that the command line, KUBECONFIG or the pod names. */
export async function startDriverDaemon(config: DriverConfig, env: Environment, log: Log): Promise<Running> {
  await using started = new AsyncDisposableStack()
  const userAgent = `csi-secrets-store/controller/${buildVersion} (${process.platform}/${process.arch})`
  const kube = createKubeClient(clusterConfig(config.kubeconfig, env), { userAgent })
  started.defer(kube.close)
  const mounter = process.platform === 'win32' ? createWindowsMounter() : createLinuxMounter()
  const sockets = socketsOf(env, log)
  started.defer(async () => sockets.stop())
  const tracing = await startTracing(env, { service: 'keymount-driver', version: buildVersion, log })
  started.defer(tracing.stop)
  const { tracer } = tracing
  const driver = await startDriver(config, { kube, mounter, sockets, log, tracer, version: buildVersion })
  started.defer(driver.stop)
  const running = started.move()
  return { stop: () => running.disposeAsync(), stopRequested: sockets.stopRequested }
}
