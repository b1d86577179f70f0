import { runMain } from '#daemon'
import { createLog, errorMessage, runUntilSignal } from '#lib'
import { awaitReady, proxyProgram, startProxy } from '#product/proxy'

runMain(proxyProgram, (config) => {
  if (config.probe) return probe(config.port)
  const log = createLog({ name: 'proxy', level: config.logLevel })
  return runUntilSignal(() => startProxy(config.proxy, { log }), log)
})

async function probe(port: number): Promise<number> {
  try {
    await awaitReady({ port })
    return 0
  } catch (error) {
    process.stderr.write(`proxy: not ready: ${errorMessage(error)}\n`)
    return 1
  }
}
