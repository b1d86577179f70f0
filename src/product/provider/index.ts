/**
 * provider: the provider protocol on `azure.sock`: a class's parameters → an identity → objects of Azure Key Vault → files.
 * `startProvider` is the whole daemon; the driver (ours or upstream's) is its only client. Everything of a mount is read side
 * by side, and one read serves the node. Errors carry a stable code from `product/error-catalogue`, explained in `docs/errors.md`.
 */

export { type ProviderProgramConfig, providerFlags, providerProgram } from './config.ts'
export { type ProviderConfig, type RunningProvider, startProvider, startProviderDaemon } from './start-provider.ts'
