import { readFileSync, statSync } from 'node:fs'
import { createAzureClient, createEntraTokens } from '#azure/rest'
import { azureHttp, buildVersion, clusterConfig } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { errorMessage, type Log, type Running } from '#lib'
import type { Environment } from '#lib/flags'
import { createHttpClient } from '#lib/http'
import { startInitialObjects } from '../initial-objects.ts'
import { type CloudConfig, cloudConfigOfEnvironment, parseCloudConfig } from './cloud-config.ts'
import type { MicProgramConfig } from './config.ts'
import { startMic } from './start-mic.ts'

export interface MicDaemonWorld {
  env: Environment
  log: Log
  /** Called when another replica may lead now: this process must end. */
  onLost(): void
}

/** The controller in the cluster that the command line, KUBECONFIG or the pod names. */
export async function startMicDaemon(config: MicProgramConfig, { env, log, onLost }: MicDaemonWorld): Promise<Running> {
  await using started = new AsyncDisposableStack()
  const cloudConfig = cloudConfigReader(config, env, log)
  const { cloud } = cloudConfig()
  const out = createHttpClient({ ...azureHttp(env), timeoutMs: 60_000 })
  started.defer(out.stop)
  const onNode = createHttpClient()
  started.defer(onNode.stop)
  const tokens = createEntraTokens({
    cloud,
    credential: async () => cloudConfig().credential,
    send: out.send,
    sendOnNode: onNode.send,
    imdsEndpoint: config.imdsEndpoint,
  })
  const { resourceManager } = createAzureClient({ cloud, tokens, send: out.send })
  const kube = createKubeClient(clusterConfig(config.kubeconfig, env), { userAgent: `keymount/mic/${buildVersion}` })
  started.defer(kube.close)
  started.defer(startInitialObjects({ kube, file: config.initialObjectsFile, log }).stop)
  const controller = await startMic(config.mic, { kube, resourceManager, cloudConfig, log, onLost })
  started.defer(controller.stop)
  const { healthPort, metricsPort } = controller
  log.info({ healthPort, metricsPort }, 'ready')
  const running = started.move()
  return { stop: () => running.disposeAsync() }
}

/** Reads `azure.json` again after each change of it. While it cannot be used (half-written, for example), the last good one stays. */
function cloudConfigReader(
  { cloudConfigFile, customCloudFile }: MicProgramConfig,
  env: Environment,
  log: Log,
): () => CloudConfig {
  const customCloud = customCloudFile === '' ? undefined : readFileSync(customCloudFile, 'utf8')
  if (cloudConfigFile === '') {
    const config = cloudConfigOfEnvironment(env, { customCloud })
    return () => config
  }
  const read = () => parseCloudConfig(readFileSync(cloudConfigFile, 'utf8'), { customCloud })
  const written = () => statSync(cloudConfigFile, { throwIfNoEntry: false })?.mtimeMs
  let last = { at: written(), config: read() }
  return () => {
    const at = written()
    if (at === last.at) return last.config
    try {
      last = { at, config: read() }
      log.info({ file: cloudConfigFile }, 'read the cloud configuration again')
    } catch (error) {
      log.warn(`the cloud configuration is unchanged: ${errorMessage(error)}`)
    }
    return last.config
  }
}
