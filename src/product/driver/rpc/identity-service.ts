import type { IdentityServer } from '#kubernetes/csi'
import type { Unary } from '#kubernetes/grpc'

/** The Identity service of CSI. The plugin as a whole has no capability: it has no controller. */
export function createIdentityService(options: { driverName: string; version: string; unary: Unary }): IdentityServer {
  const { driverName, version, unary } = options
  return {
    getPluginInfo: unary('GetPluginInfo', () => ({ name: driverName, vendorVersion: version, manifest: {} })),
    getPluginCapabilities: unary('GetPluginCapabilities', () => ({ capabilities: [] })),
    probe: unary('Probe', () => ({ ready: { value: true } })),
  }
}
