import { createLog, type Running } from '#lib'
import type { Environment } from '#lib/flags'
import { startDriverDaemon } from '#product/driver'
import { startProviderDaemon } from '#product/provider'
import { type NodeConfig, remarksOn } from './config.ts'

/** Driver and provider in one process. The provider starts first and stops last: the driver can ask it as long as kubelet can call. */
export async function startNode(config: NodeConfig, env: Environment): Promise<Running> {
  const { driver, provider } = config
  await using started = new AsyncDisposableStack()
  const log = createLog({ name: 'provider', level: provider.logLevel })
  for (const remark of remarksOn(config)) log.warn(remark)
  const runningProvider = await startProviderDaemon({ ...provider, log }, env)
  started.defer(runningProvider.stop)
  const runningDriver = await startDriverDaemon(driver, env, createLog({ name: 'driver', level: driver.logLevel }))
  started.defer(runningDriver.stop)
  const running = started.move()
  return { stop: () => running.disposeAsync(), stopRequested: runningDriver.stopRequested }
}
