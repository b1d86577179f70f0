/**
 * pod-identity: AAD Pod Identity for clusters that are not yet migrated. The controller (MIC) decides which pod has which
 * AzureIdentity and assigns machines of Azure the identities of their pods; the node endpoint (NMI) answers pods in place of
 * IMDS, and the Key Vault provider. `docs/differences.md` lists the differences from upstream.
 */
export { type CloudConfig, cloudConfigOfEnvironment, parseCloudConfig } from './mic/cloud-config.ts'
export { type MicProgramConfig, micFlags, micProgram } from './mic/config.ts'
export { startMicDaemon } from './mic/run-mic.ts'
export { type MicConfig, type MicWorld, type RunningMic, startMic } from './mic/start-mic.ts'
export { podIdentityNames } from './names.ts'
export { type NmiProgramConfig, nmiFlags, nmiProgram } from './nmi/config.ts'
export { nmiLimits } from './nmi/limits.ts'
export { refuseKubenet } from './nmi/refuse-kubenet.ts'
export { startNmiDaemon } from './nmi/run-nmi.ts'
export { type NmiConfig, type NmiWorld, type RunningNmi, startNmi } from './nmi/start-nmi.ts'
