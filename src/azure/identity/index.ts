/**
 * identity: the ways to a Microsoft Entra token: workload identity, service principal, managed identity (IMDS), pod identity
 * (NMI) and identity binding. `chooseCredential` decides (pure), `createTokenSource` acquires, holds for a bounded time and
 * shares between callers that proved the same identity. Failures are `IdentityError`. Reads no environment, keeps no file.
 */
export * from './access-token.ts'
export * from './acquire-token.ts'
export * from './choose-credential.ts'
export * from './cloud.ts'
export * from './credential.ts'
export * from './identity-error.ts'
export * from './identity-key.ts'
export * from './service-account-token.ts'
export * from './token-proxy.ts'
export * from './token-request.ts'
export * from './token-source.ts'
export * from './verify-token.ts'
