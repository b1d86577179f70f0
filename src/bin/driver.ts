import packageJson from '../../package.json' with { type: 'json' }
import { createLinuxMounter, driverConfig, startDriver } from '../driver/index.ts'
import { createKubeClient, inClusterConfig, type KubeConfig, loadKubeconfig } from '../kube/index.ts'
import { createLog, errorMessage, runUntilSignal } from '../lib/index.ts'

/** Commit and date are set by the image build; empty when run from the sources. */
const buildInfo = {
  BuildVersion: `v${packageJson.version}`,
  GitCommit: process.env['KEYMOUNT_COMMIT'] ?? '',
  BuildDate: process.env['KEYMOUNT_BUILD_DATE'] ?? '',
}

/** The CSI driver of a node. Flags: see driver-config.ts. */
async function main(): Promise<number> {
  const config = parseOrExplain()
  if (config === undefined) return 2
  if (config.printVersion) {
    process.stdout.write(`${JSON.stringify(buildInfo)}\n`)
    return 0
  }
  const log = createLog({ name: 'driver', level: config.logLevel })
  return runUntilSignal(async () => {
    const userAgent = `csi-secrets-store/controller/${buildInfo.BuildVersion} (${process.platform}/${process.arch})`
    const kube = createKubeClient(kubeConfig(config.kubeconfig ?? process.env['KUBECONFIG']), { userAgent })
    const running = await startDriver(config, {
      kube,
      mounter: createLinuxMounter(),
      log,
      version: buildInfo.BuildVersion,
    })
    return {
      async stop() {
        await running.stop()
        kube.close()
      },
    }
  }, log)
}

function parseOrExplain() {
  try {
    return driverConfig(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

function kubeConfig(path: string | undefined): KubeConfig {
  if (path !== undefined && path !== '') return loadKubeconfig(path, { environment: process.env })
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
  if (host === undefined || port === undefined)
    throw new Error('no cluster to speak to: give --kubeconfig or KUBECONFIG, or run in a pod')
  return inClusterConfig({ host, port })
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
