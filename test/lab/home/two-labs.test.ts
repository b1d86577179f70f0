import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createLabAzure, readCredentials } from '#lab/home'
import { type TemporaryHome, temporaryHome } from './lab-in-temporary-home.ts'

async function vaultIn(home: TemporaryHome, name: string): Promise<void> {
  const { azure } = await home.up()
  const client = createLabAzure({
    credentials: readCredentials(azure.credentials),
    proxy: azure.proxy,
    ca: readFileSync(azure.ca, 'utf8'),
  })
  await client.createResourceGroup()
  await client.createVault(name)
  client.stop()
}

test('a second lab works beside the first: what one has the other does not, and it goes down alone', async (t) => {
  const one = await temporaryHome(t)
  const two = await temporaryHome(t)
  await vaultIn(one, 'first')
  await vaultIn(two, 'second')
  const addresses = [one, two].map(async (home) => (await home.status()).processes.map(({ address }) => address))
  const [ofOne = [], ofTwo = []] = await Promise.all(addresses)
  assert.ok(ofOne.every((address) => address !== null && !ofTwo.includes(address)))

  assert.match((await one.keymount('azure', 'throttle', 'second')).stderr, /no vault second.*\n.*its vaults: first/)
  assert.equal((await one.keymount('down')).code, 0)
  assert.equal((await two.status()).state, 'up')
  assert.match((await two.keymount('azure', 'throttle', 'second', '--for', '1s')).stdout, /answers 429/)
})
