import type { WebhookSettings } from '../../../src/product/webhook/webhook-settings.ts'

/** Settings of a webhook whose proxy sidecar is an image of this version. */
export const webhookSettings: WebhookSettings = {
  tenantId: 'tenant',
  authorityHost: 'https://login.microsoftonline.com/',
  audience: 'api://AzureADTokenExchange',
  legacyTokenPath: false,
  proxy: {
    image: 'keymount:v1',
    initImage: 'keymount:v1',
    extraArgs: [],
    env: [],
    logLevel: 'info',
    nativeSidecar: true,
  },
}
