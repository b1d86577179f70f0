import { readFileSync, statSync } from 'node:fs'
import { createAzureClient, createEntraTokens } from '#azure/rest'
import { azureHttp, buildVersion, clusterConfig, printLine, runMain } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { createLog, errorMessage, type Log, runUntilSignal } from '#lib'
import { createHttpClient } from '#lib/http'
import {
  type CloudConfig,
  cloudConfigOfEnvironment,
  type MicCommand,
  micConfig,
  parseCloudConfig,
  startMic,
} from '#product/pod-identity'

type ServeCommand = Extract<MicCommand, { kind: 'serve' }>

/** The controller of pod identity. Exit status 2 for a wrong command line, 1 when it cannot start or no longer leads. */
async function main(command: MicCommand): Promise<number> {
  if (command.kind === 'version') return printLine(buildVersion)
  const log = createLog({ name: 'mic', level: command.logLevel })
  // An update of a scale set that is on its way is awaited.
  return runUntilSignal(() => start(command, log), log, 60_000)
}

async function start(command: ServeCommand, log: Log) {
  const cloudConfig = cloudConfigReader(command, log)
  const { cloud } = cloudConfig()
  const out = createHttpClient({ ...azureHttp(process.env), timeoutMs: 60_000 })
  const onNode = createHttpClient()
  const tokens = createEntraTokens({
    cloud,
    credential: async () => cloudConfig().credential,
    send: out.send,
    sendOnNode: onNode.send,
    imdsEndpoint: command.imdsEndpoint,
  })
  const { resourceManager } = createAzureClient({ cloud, tokens, send: out.send })
  const kube = createKubeClient(clusterConfig(command.kubeconfig, process.env), {
    userAgent: `keymount/mic/${buildVersion}`,
  })
  const onLost = () => {
    log.fatal('another replica may lead now')
    process.exit(1)
  }
  const running = await startMic(command.mic, { kube, resourceManager, cloudConfig, log, onLost })
  log.info({ healthPort: running.healthPort, metricsPort: running.metricsPort }, 'ready')
  return {
    async stop() {
      await running.stop()
      kube.close()
      out.stop()
      onNode.stop()
    },
  }
}

/** Reads `azure.json` anew when it was written. One that cannot be used, because it is half written, changes nothing. */
function cloudConfigReader({ cloudConfigFile, customCloudFile }: ServeCommand, log: Log): () => CloudConfig {
  const customCloud = customCloudFile === '' ? undefined : readFileSync(customCloudFile, 'utf8')
  if (cloudConfigFile === '') {
    const config = cloudConfigOfEnvironment(process.env, { customCloud })
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
      log.info({ file: cloudConfigFile }, 'read the cloud configuration anew')
    } catch (error) {
      log.warn(`the cloud configuration stays as it was: ${errorMessage(error)}`)
    }
    return last.config
  }
}

runMain(micConfig, main)
