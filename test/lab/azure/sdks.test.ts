import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createAzureMachine, machineMissing } from '../../support/azure-machine.ts'
import { findProgram } from '../../support/find-program.ts'
import { startLocalAzure, testGroup } from '../../support/local-azure.ts'
import { createOpenssl } from '../../support/openssl.ts'
import { startTestIssuer } from '../../support/test-issuer.ts'

/**
 * The official SDKs, unmodified and with nothing set but what their documentation names for any proxy with an authority of
 * its own. One program for each language does the same with all: see test/lab/azure/sdks.
 */
const sdks = join(import.meta.dirname, 'sdks')

const languages: { name: string; command: readonly string[] | undefined; missing: string }[] = [
  {
    name: 'JavaScript',
    command: [process.execPath, '--disable-warning=ExperimentalWarning', join(sdks, 'javascript/tour.ts')],
    missing: '',
  },
  {
    name: 'Python',
    command: withProgram('azure-sdk-python', 'KEYMOUNT_SDK_PYTHON', [join(sdks, 'python/tour.py')]),
    missing:
      'the Azure SDK for Python is not installed: python3 -m venv DIR && DIR/bin/pip install -r test/lab/azure/sdks/python/requirements.txt, then KEYMOUNT_SDK_PYTHON=DIR/bin/python',
  },
  {
    name: 'Go',
    command: withProgram('azure-sdk-go', 'KEYMOUNT_SDK_GO', []),
    missing:
      'the program with the Azure SDK for Go is not built: (cd test/lab/azure/sdks/go && go build -o FILE .), then KEYMOUNT_SDK_GO=FILE',
  },
]

function withProgram(name: string, variable: string, args: readonly string[]): string[] | undefined {
  const program = findProgram(name, variable)
  return program === undefined ? undefined : [program, ...args]
}

/** What every program prints after the tour of everything. */
const everything = {
  greeting: 'hello',
  secrets: { versions: 2, team: 'shop', expires: 2035, recovered: 'second', restored: 'second' },
  keys: {
    decrypted: 'plain',
    unwrapped: 'a key',
    verified: true,
    rotated: true,
    expiryTime: 'P90D',
    deleted: 'tour-ec',
  },
  certificates: {
    subject: 'CN=tour.example.com',
    secretType: 'application/x-pkcs12',
    sameVersion: true,
    deleted: 'tour-certificate',
  },
}

const subject = 'system:serviceaccount:shop:orders'

/** A cloud with a vault, and the environments of the three kinds of places where programs run. */
async function createPlaces(t: TestContext) {
  const issuer = await startTestIssuer(t)
  const azure = await startLocalAzure(t, { issuerCaFiles: [issuer.caFile] })
  const vault = await azure.createVault('shop')
  await azure.setSecret('shop', 'greeting', 'hello')
  const workload = await azure.createIdentity('workload')
  await azure.federate(workload, { issuer: issuer.url, subject })
  const machine = await azure.createIdentity('machine')
  for (const { principalId } of [workload, machine]) {
    await azure.assignRole('Key Vault Secrets User', principalId, vault.id)
  }
  const { subscriptionId, tenantId, clientId, clientSecret } = azure.administrator
  await azure.arm.put(
    `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.Compute/virtualMachines/node`,
    { location: 'westeurope', identity: { type: 'UserAssigned', userAssignedIdentities: { [machine.id]: {} } } },
  )

  const openssl = createOpenssl(t)
  const certificatePath = openssl.path('client.pem')
  const tokenPath = openssl.path('token')
  writeFileSync(tokenPath, await issuer.token(subject))
  writeFileSync(certificatePath, await registerCertificate(azure, openssl))
  const trust = { SSL_CERT_FILE: azure.caFile, REQUESTS_CA_BUNDLE: azure.caFile, NODE_EXTRA_CA_CERTS: azure.caFile }
  const client = { ...trust, AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId }
  return {
    machine: await createAzureMachine(t, azure),
    vault: vault.url,
    environments: {
      secret: { ...client, AZURE_CLIENT_SECRET: clientSecret },
      certificate: { ...client, AZURE_CLIENT_CERTIFICATE_PATH: certificatePath },
      pod: { ...client, AZURE_CLIENT_ID: workload.clientId, AZURE_FEDERATED_TOKEN_FILE: tokenPath },
      machine: { ...trust, AZURE_CLIENT_ID: machine.clientId },
    },
  }
}

/** A certificate for the administrator's application: key and certificate as PEM. */
async function registerCertificate(
  azure: Awaited<ReturnType<typeof startLocalAzure>>,
  openssl: ReturnType<typeof createOpenssl>,
): Promise<string> {
  const { key, certificate } = openssl.certificate('client')
  const der = certificate.replace(/-----[^-]+-----|\s/g, '')
  const filter = encodeURIComponent(`appId eq '${azure.administrator.clientId}'`)
  const { body } = await azure.graph('GET', `/applications?$filter=${filter}`)
  const keyCredentials = [{ type: 'AsymmetricX509Cert', usage: 'Verify', key: der }]
  const { status } = await azure.graph('PATCH', `/applications/${body.value[0].id}`, { keyCredentials })
  assert.equal(status, 204)
  return `${key}\n${certificate}`
}

type Place = keyof Awaited<ReturnType<typeof createPlaces>>['environments']

const visits: { credential: string; place: Place }[] = [
  { credential: 'default', place: 'secret' },
  { credential: 'default', place: 'pod' },
  { credential: 'default', place: 'machine' },
  { credential: 'certificate', place: 'certificate' },
  { credential: 'workload', place: 'pod' },
  { credential: 'managed', place: 'machine' },
]

for (const { name, command, missing } of languages) {
  const skip = command === undefined ? missing : (machineMissing() ?? false)
  test(`the Azure SDK for ${name} reads a secret with every credential, and does all that its quick starts show`, {
    skip,
  }, async (t) => {
    const { machine, vault, environments } = await createPlaces(t)
    const tour = async (what: string, credential: string, place: Place): Promise<unknown> =>
      JSON.parse(await machine.run([...(command ?? []), what, credential, vault], environments[place]))
    assert.deepEqual(await tour('everything', 'secret', 'secret'), everything)
    for (const { credential, place } of visits) {
      assert.deepEqual(await tour('read', credential, place), { greeting: 'hello' }, `${credential} in ${place}`)
    }
  })
}
