/**
 * azure/rest: the thin client of Azure Resource Manager and Microsoft Graph. `createAzureClient` takes a token supplier
 * (`createEntraTokens` makes one of any credential) and gives both services: one call per verb, all pages of a list, long
 * operations awaited, throttling respected. Failures are `AzureRestError` (Azure answered) or `HttpFault` (it did not).
 */
export * from './azure-client.ts'
export * from './azure-cloud.ts'
export * from './azure-error.ts'
export * from './azure-service.ts'
export * from './entra-tokens.ts'
export * from './role-assignments.ts'
