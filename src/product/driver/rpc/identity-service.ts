import { type IdentityServer, unary } from '#kubernetes/csi'
import type { Log } from '#lib'

/** The Identity service of CSI. No capability of the plugin as a whole: there is no controller. */
export function createIdentityService(options: { driverName: string; version: string; log: Log }): IdentityServer {
  const { driverName, version, log } = options
  return {
    getPluginInfo: unary('GetPluginInfo', log, () => ({ name: driverName, vendorVersion: version, manifest: {} })),
    getPluginCapabilities: unary('GetPluginCapabilities', log, () => ({ capabilities: [] })),
    probe: unary('Probe', log, () => ({ ready: { value: true } })),
  }
}
