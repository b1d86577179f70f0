/**
 * kubernetes/provider-protocol: the protocol between the driver and a provider of secrets (`v1alpha1.CSIDriverProvider` on a Unix
 * socket): generated code and the client. It knows neither what is mounted nor where secrets come from.
 */
export * from './account-annotations.ts'
export * from './changed.ts'
export * from './client.ts'
export * from './empty-volume.ts'
export * from './generated/provider.ts'
export * from './held-token.ts'
export * from './interval.ts'
export * from './max-age.ts'
export * from './providers-in.ts'
export * from './stale-since.ts'
export * from './vaults-trailer.ts'
