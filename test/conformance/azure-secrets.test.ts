import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientSecretCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { sdkOptions, startLocalAzure, trustInThisProcess } from '../support/local-azure.ts'

test('the official secret client sets and gets a secret', async (t) => {
  const azure = await startLocalAzure(t)
  trustInThisProcess(azure)
  const vault = await azure.createVault('first')
  const { tenantId, clientId, clientSecret } = azure.administrator
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, sdkOptions(azure))
  const client = new SecretClient(vault.url, credential, sdkOptions(azure))
  const set = await client.setSecret('ExampleSecret', 'one')
  const got = await client.getSecret('ExampleSecret')
  assert.equal(got.value, 'one')
  assert.equal(got.properties.version, set.properties.version)
})
