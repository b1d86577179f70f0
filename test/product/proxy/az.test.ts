import assert from 'node:assert/strict'
import { test } from 'node:test'
import { azMissing, findAz, startAz } from '../../support/az.ts'
import { appSubject } from '../../support/provider-lab.ts'
import { startProxyProcess } from '../../support/proxy-process.ts'
import { startTestIssuer } from '../../support/test-issuer.ts'

/** What upstream's end-to-end suite asks of its proxy, by the same judge. */
const program = findAz()
const options = program === undefined ? { skip: azMissing } : {}

for (const [how, named] of [
  ['the client that it names', true],
  ['the client of its service account', false],
] as const) {
  test(`az login --identity signs in as ${how}, and reads a secret`, options, async (t) => {
    const issuer = await startTestIssuer(t)
    const owner = await startAz(t, program ?? '', { issuerCaFiles: [issuer.caFile] })
    const { azure } = owner
    const identity = await azure.createIdentity('app')
    await azure.federate(identity, { issuer: issuer.url, subject: appSubject })
    const vault = await azure.createVault('shop')
    await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
    await azure.assignRole('Reader', identity.principalId, `/subscriptions/${azure.administrator.subscriptionId}`)
    await azure.setSecret('shop', 'ExampleSecret', 'from the vault')
    const proxy = await startProxyProcess(t, { azure, issuer }, named ? '' : identity.clientId)

    const app = owner.withFreshProfile({ AZURE_POD_IDENTITY_AUTHORITY_HOST: proxy.url, NO_PROXY: '127.0.0.1' })
    const login = await app.run(['login', '--identity', ...(named ? ['--client-id', identity.clientId] : [])])
    assert.equal(login.status, 0, login.stderr)
    assert.partialDeepStrictEqual(JSON.parse(login.stdout), [{ environmentName: 'AzureCloud' }])
    const words = [
      'keyvault',
      'secret',
      'show',
      '--vault-name',
      'shop',
      '-n',
      'ExampleSecret',
      '--query',
      'value',
      '-o',
      'tsv',
    ]
    const { stdout, stderr } = await app.run(words)
    assert.equal(stdout.trim(), 'from the vault', stderr)
  })
}
