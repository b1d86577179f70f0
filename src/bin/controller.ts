import { setFlagsFromString } from 'node:v8'
import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { startWebhookDaemon, webhookProgram } from '#product/webhook'

runMain(webhookProgram, (config, env) => {
  // Without the last of V8's compilers, whose code alone is 4 MiB of resident memory once it has run. What is left is several
  // times faster than any cluster creates pods (bench/webhook.ts).
  setFlagsFromString('--no-opt')
  const log = createLog({ name: 'webhook', level: config.logLevel })
  // Longer than the time in which it drains.
  return runUntilSignal(() => startWebhookDaemon(config, env, log), log, config.webhook.drainMs + 10_000)
})
