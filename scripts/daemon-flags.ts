import { controllerFlags } from '../src/bin/controller-config.ts'
import { micFlags } from '../src/bin/mic-config.ts'
import { nmiFlags } from '../src/bin/nmi-config.ts'
import { nodeFlags } from '../src/bin/node-config.ts'
import { providerFlags } from '../src/bin/provider-config.ts'
import { proxyFlags } from '../src/bin/proxy-config.ts'
import { driverFlags } from '../src/driver/index.ts'
import type { FlagSpecs } from '../src/lib/index.ts'

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
