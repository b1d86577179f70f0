import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf as parse } from '../../../test/support/config-of.ts'
import { providerProgram } from './config.ts'

const configOf = (argv: string[], env: Record<string, string> = {}) => parse(providerProgram, argv, env)

test('a flag wins over the environment, which wins over the default', () => {
  assert.equal(configOf([]).defaultTenantId, '')
  assert.equal(configOf([], { AZURE_TENANT_ID: 'of-env' }).defaultTenantId, 'of-env')
  assert.equal(configOf(['--default-tenant=of-flag'], { AZURE_TENANT_ID: 'of-env' }).defaultTenantId, 'of-flag')
  const imds = { AZURE_POD_IDENTITY_AUTHORITY_HOST: 'http://of-env' }
  assert.equal(configOf([]).imdsEndpoint, undefined)
  assert.equal(configOf([], imds).imdsEndpoint, 'http://of-env')
  assert.equal(configOf(['--imds-endpoint=http://of-flag'], imds).imdsEndpoint, 'http://of-flag')
})

test('addresses name an interface, ports are for every interface, and 0 is for none', () => {
  const all = (port: number) => ({ host: undefined, port })
  assert.deepEqual(configOf([]).metricsAddress, all(8898))
  assert.deepEqual(configOf([]).healthAddress, all(8989))
  assert.deepEqual(configOf(['--prometheus-port=1', '--healthz-port=2']).metricsAddress, all(1))
  assert.equal(configOf(['--prometheus-port=0']).metricsAddress, undefined)
  const loopback = configOf(['--metrics-addr=127.0.0.1:3', '--prometheus-port=1', '--health-addr=0'])
  assert.deepEqual(loopback.metricsAddress, { host: '127.0.0.1', port: 3 })
  assert.equal(loopback.healthAddress, undefined)
  assert.throws(() => configOf(['--health-addr=[::1]']), /--health-addr: found "\[::1\]", expected HOST:PORT or :PORT/)
})
