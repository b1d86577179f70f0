import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { SecretValue } from '#lib'
import { createHttpClient } from '#lib/http'
import {
  chartArtifact,
  createRegistryClient,
  digestOf,
  exchangeEntraToken,
  isAzureRegistry,
  pushArtifact,
  type RegistryCredentials,
} from '#packaging/registry'
import { needsRegistry } from '../../support/docker-registry.ts'
import { type Intercept, startRegistryFront, textOf } from '../../support/registry-front.ts'
import { startTokenRegistry } from '../../support/token-registry.ts'

const registry = 'contoso.azurecr.io'
const entraToken = 'token of Entra'
const refreshToken = 'token of the registry'

/**
 * A registry that signs in as Azure's does: an Entra token is exchanged for a refresh token, and this for an access token of
 * one repository, which Docker's registry verifies.
 */
async function startAzureRegistry(t: TestContext) {
  const { host, authority, tls, token } = await startTokenRegistry(t, registry)
  const forms: Record<string, string>[] = []
  const intercept: Intercept = async (request, response) => {
    if (request.url !== '/oauth2/exchange' && request.url !== '/oauth2/token') return false
    const form = Object.fromEntries(new URLSearchParams(await textOf(request)))
    forms.push(form)
    if (request.url === '/oauth2/exchange') {
      const isValid = form.grant_type === 'access_token' && form.access_token === entraToken
      if (isValid) response.end(JSON.stringify({ refresh_token: refreshToken }))
      else response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"token is not valid"}]}')
    } else if (form.refresh_token !== refreshToken) response.writeHead(401).end()
    else response.end(JSON.stringify({ access_token: await token(form.scope ?? '') }))
    return true
  }
  const port = await startRegistryFront(t, { registry: host, tls, intercept })
  const http = createHttpClient({
    ca: readFileSync(authority.caFile, 'utf8'),
    connect: async () => connect(port, '127.0.0.1'),
  })
  t.after(() => http.stop())
  return { http, forms }
}

const chart = { metadata: { name: 'keymount', version: '1.2.3+a' }, bytes: Buffer.from('a chart') }

test('a token of Entra is exchanged for one of the registry, which pushes', needsRegistry, async (t) => {
  const { http, forms } = await startAzureRegistry(t)
  const credentials = (): Promise<RegistryCredentials> =>
    exchangeEntraToken({ registry, entraToken: SecretValue.of(entraToken), send: http.send })
  const client = createRegistryClient({ registry, repository: 'charts/keymount', send: http.send, credentials })
  const artifact = chartArtifact(chart)
  await pushArtifact(client, artifact)
  assert.equal(artifact.tag, '1.2.3_a')
  assert.equal(await digestOf(client, artifact.tag), artifact.digest)
  assert.deepEqual(
    forms.map(({ grant_type, service, scope }) => [grant_type, service, scope]),
    [
      ['access_token', registry, undefined],
      ['refresh_token', registry, 'repository:charts/keymount:pull,push'],
    ],
  )
})

test('a refusal of the exchange is reported without the token', needsRegistry, async (t) => {
  const { http } = await startAzureRegistry(t)
  const exchange = exchangeEntraToken({ registry, entraToken: SecretValue.of('stolen'), send: http.send })
  await assert.rejects(exchange, {
    code: 'unauthorized',
    message: 'sign-in with Microsoft Entra: contoso.azurecr.io answered 401 (UNAUTHORIZED: token is not valid)',
  })
})

test('only hosts of Azure Container Registry get a token of Entra', () => {
  const hosts = {
    'contoso.azurecr.io': true,
    'Contoso.azurecr.cn': true,
    'contoso.westeurope.data.azurecr.io': true,
    'contoso.azurecr.io.example.com': false,
    'azurecr.io': false,
    'contoso.azurecr.io:8443': false,
    'ghcr.io': false,
  }
  for (const [host, expected] of Object.entries(hosts)) assert.equal(isAzureRegistry(host), expected, host)
})

test('the digest of a chart depends on its content alone', () => {
  const digest = `sha256:${createHash('sha256')
    .update(chartArtifact(chart).manifests[0]?.bytes ?? '')
    .digest('hex')}`
  assert.equal(chartArtifact(chart).digest, digest)
})
