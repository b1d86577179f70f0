import { requestToken, type TestAzure } from './local-azure.ts'

export interface TestApplication {
  appId: string
  /** Object id of its service principal, without any role. */
  principalId: string
  /** A token of it, for example for `https://storage.azure.com`. */
  token(resource: string): Promise<string>
}

/** An application with a secret that can sign in and has no rights. */
export async function createApplication(azure: TestAzure, displayName = 'client'): Promise<TestApplication> {
  const { body: application } = await azure.graph('POST', '/applications', { displayName })
  const { body: principal } = await azure.graph('POST', '/servicePrincipals', { appId: application.appId })
  const { body: password } = await azure.graph('POST', `/applications/${application.id}/addPassword`, {})
  return {
    appId: application.appId,
    principalId: principal.id,
    token: (resource) =>
      requestToken(
        azure.send,
        {
          tenantId: azure.administrator.tenantId,
          clientId: application.appId,
          clientSecret: password.secretText,
        },
        resource,
      ),
  }
}
