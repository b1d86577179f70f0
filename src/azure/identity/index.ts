/**
 * azure/identity: the ways to a Microsoft Entra token: workload identity, service principal, managed identity (IMDS), pod identity
 * (NMI) and identity binding. A way is a file of `ways/`. `completeIdentity` and `chooseCredential` decide (pure),
 * `createTokenSource` acquires, holds for a bounded time and shares between callers that proved the same identity. Failures are
 * `IdentityError`. Reads no environment and no file.
 */
export * from './access-token.ts'
export * from './acquire-token.ts'
export * from './cloud.ts'
export * from './identity-error.ts'
export * from './identity-key.ts'
export * from './service-account-token.ts'
export * from './sign-in.ts'
export * from './sign-in-load.ts'
export * from './token-proxy.ts'
export * from './token-request.ts'
export * from './token-source.ts'
export * from './verify-token.ts'
export * from './ways/index.ts'
export { signAssertionTask } from './ways/sign-client-assertion.ts'
export type { IdentityParameters, Proof, WayParameter } from './ways/way.ts'
export { clientIdAnnotation, tenantIdAnnotation } from './ways/way.ts'
