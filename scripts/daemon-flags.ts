import type { FlagSpecs } from '#lib/flags'
import { driverFlags } from '#product/driver'
import { nodeFlags } from '../src/product/node/config.ts'
import { micFlags } from '../src/product/pod-identity/mic/config.ts'
import { nmiFlags } from '../src/product/pod-identity/nmi/config.ts'
import { providerFlags } from '../src/product/provider/config.ts'
import { proxyFlags } from '../src/product/proxy/config.ts'
import { controllerFlags } from '../src/product/webhook/config.ts'

/** The flags of each daemon by its name, for whatever is checked against them: the chart, deploy/, docs/configuration.md. */
export const daemonFlags: Record<'driver' | 'provider' | 'node' | 'controller' | 'proxy' | 'mic' | 'nmi', FlagSpecs> = {
  driver: driverFlags,
  provider: providerFlags,
  node: nodeFlags,
  controller: controllerFlags,
  proxy: proxyFlags,
  mic: micFlags,
  nmi: nmiFlags,
}
