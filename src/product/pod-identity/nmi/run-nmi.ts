import { readFileSync, statSync } from 'node:fs'
import { createAcquireToken, createTokenSource } from '#azure/identity'
import { azureHttp, buildVersion, clusterConfig } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { type Log, type Running, runProgram } from '#lib'
import type { Environment } from '#lib/flags'
import { createHttpClient, createRetryingSend } from '#lib/http'
import { startInitialObjects } from '../initial-objects.ts'
import type { NmiProgramConfig } from './config.ts'
import { refuseKubenet } from './refuse-kubenet.ts'
import { startNmi } from './start-nmi.ts'

/** The node endpoint on this machine's network, in the cluster that the command line, KUBECONFIG or the pod names. */
export async function startNmiDaemon(config: NmiProgramConfig, env: Environment, log: Log): Promise<Running> {
  const { nmi, kubeconfig, tokenHoldMs, kubeletConfig } = config
  const hasKubeletConfig = statSync(kubeletConfig, { throwIfNoEntry: false })?.isFile() === true
  if (hasKubeletConfig) refuseKubenet(readFileSync(kubeletConfig, 'utf8'))
  if (nmi.redirect !== undefined) checkLoopbackRoutes(log)
  await using started = new AsyncDisposableStack()
  const out = createHttpClient(azureHttp(env))
  started.defer(out.stop)
  const onNode = createHttpClient({ maxSockets: 64 })
  started.defer(onNode.stop)
  const tokens = createTokenSource({
    acquire: createAcquireToken({
      send: createRetryingSend({ send: out.send }),
      sendOnNode: onNode.send,
      imdsEndpoint: nmi.imdsEndpoint,
    }),
    holdMs: tokenHoldMs,
  })
  const kube = createKubeClient(clusterConfig(kubeconfig, env), { userAgent: `keymount/nmi/${buildVersion}` })
  started.defer(kube.close)
  started.defer(startInitialObjects({ kube, file: config.initialObjectsFile, log }).stop)
  const endpoint = await startNmi(nmi, {
    kube,
    tokens,
    run: runProgram,
    processStatus: readFileSync('/proc/self/status', 'utf8'),
    log,
  })
  started.defer(endpoint.stop)
  const { port, healthPort, metricsPort } = endpoint
  log.info({ port, healthPort, metricsPort }, 'ready')
  const running = started.move()
  return { stop: () => running.disposeAsync() }
}

/** A container cannot set it: /proc/sys is read-only there. https://docs.kernel.org/networking/ip-sysctl.html */
function checkLoopbackRoutes(log: Log): void {
  const setting = 'net.ipv4.conf.all.route_localnet'
  if (readFileSync(`/proc/sys/${setting.replaceAll('.', '/')}`, 'utf8').trim() === '1') return
  log.error(`pods cannot be redirected to 127.0.0.1: set ${setting}=1 on the node, as kube-proxy does`)
}
