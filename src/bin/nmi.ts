import { readFileSync, statSync } from 'node:fs'
import { createAcquireToken, createTokenSource } from '#azure/identity'
import { azureHttp, buildVersion, clusterConfig, printLine, runMain } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { createRunProgram } from '#kubernetes/netfilter'
import { createLog, type Log, runUntilSignal } from '#lib'
import { createHttpClient, createRetryingSend } from '#lib/http'
import { type NmiCommand, nmiConfig, refuseKubenet, startNmi } from '#product/pod-identity'

type ServeCommand = Extract<NmiCommand, { kind: 'serve' }>

/** The node endpoint of pod identity. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(command: NmiCommand): Promise<number> {
  if (command.kind === 'version') return printLine(buildVersion)
  const log = createLog({ name: 'nmi', level: command.logLevel })
  return runUntilSignal(() => start(command, log), log)
}

async function start({ kubeconfig, nmi, tokenHoldMs, kubeletConfig }: ServeCommand, log: Log) {
  const hasKubeletConfig = statSync(kubeletConfig, { throwIfNoEntry: false })?.isFile() === true
  if (hasKubeletConfig) refuseKubenet(readFileSync(kubeletConfig, 'utf8'))
  if (nmi.redirect !== undefined) checkLoopbackRoutes(log)
  const out = createHttpClient(azureHttp(process.env))
  const onNode = createHttpClient({ maxSockets: 64 })
  const tokens = createTokenSource({
    acquire: createAcquireToken({
      send: createRetryingSend({ send: out.send }),
      sendOnNode: onNode.send,
      imdsEndpoint: nmi.imdsEndpoint,
    }),
    holdMs: tokenHoldMs,
  })
  const kube = createKubeClient(clusterConfig(kubeconfig, process.env), { userAgent: `keymount/nmi/${buildVersion}` })
  const running = await startNmi(nmi, {
    kube,
    tokens,
    run: createRunProgram(),
    processStatus: readFileSync('/proc/self/status', 'utf8'),
    log,
  })
  log.info({ port: running.port, healthPort: running.healthPort, metricsPort: running.metricsPort }, 'ready')
  return {
    async stop() {
      await running.stop()
      kube.close()
      out.stop()
      onNode.stop()
    },
  }
}

/** A container cannot set it: /proc/sys is read-only there. https://docs.kernel.org/networking/ip-sysctl.html */
function checkLoopbackRoutes(log: Log): void {
  const setting = 'net.ipv4.conf.all.route_localnet'
  if (readFileSync(`/proc/sys/${setting.replaceAll('.', '/')}`, 'utf8').trim() === '1') return
  log.error(`pods cannot be redirected to 127.0.0.1: set ${setting}=1 on the node, as kube-proxy does`)
}

runMain(nmiConfig, main)
