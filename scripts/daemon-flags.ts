import type { FlagSpecs } from '#lib/flags'
import { driverFlags } from '#product/driver'
import { envFileFlags } from '#product/env-file'
import { installCheckFlags } from '#product/install-check'
import { nodeFlags } from '#product/node'
import { notifyFlags } from '#product/notify'
import { operatorFlags } from '#product/operator'
import { micFlags, nmiFlags } from '#product/pod-identity'
import { providerFlags } from '#product/provider'
import { proxyFlags } from '#product/proxy'
import { syncFlags } from '#product/sync'
import { uninstallCheckFlags } from '#product/uninstall-check'
import { webhookFlags } from '#product/webhook'

/** The flags of each daemon by its name, for what is checked against them: the chart, deploy/, docs/configuration.md. */
export const daemonFlags: Record<
  | 'driver'
  | 'provider'
  | 'node'
  | 'controller'
  | 'proxy'
  | 'sync'
  | 'operator'
  | 'notify'
  | 'env-file'
  | 'mic'
  | 'nmi'
  | 'install-check'
  | 'uninstall-check',
  FlagSpecs
> = {
  driver: driverFlags,
  provider: providerFlags,
  node: nodeFlags,
  controller: webhookFlags,
  proxy: proxyFlags,
  sync: syncFlags,
  operator: operatorFlags,
  notify: notifyFlags,
  'env-file': envFileFlags,
  mic: micFlags,
  nmi: nmiFlags,
  'install-check': installCheckFlags,
  'uninstall-check': uninstallCheckFlags,
}
