import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import { proxyLimits } from '#product/proxy'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/free-port.ts'
import type { TestIdentity } from '../../support/local-azure.ts'
import { loopbackPort } from '../../support/loopback-port.ts'
import { appSubject, type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'
import { ask, spawnProxy, startProxyProcess, tokenTarget } from '../../support/proxy-process.ts'
import { openRaw } from '../../support/raw-connection.ts'

const resource = 'https://vault.azure.net'

interface Setting extends ProviderLab {
  identity: TestIdentity
}

/** A vault `shop` whose secrets the pod's identity may read. */
async function setting(t: TestContext): Promise<Setting> {
  const lab = await startProviderLab(t)
  return { ...lab, identity: await lab.createReadableVault('shop') }
}

test('ManagedIdentityCredential gets a token by workload identity, and reads a secret with it', async (t) => {
  const lab = await setting(t)
  await lab.azure.setSecret('shop', 'ExampleSecret', 'from the vault')
  const proxy = await startProxyProcess(t, lab, lab.identity.clientId)
  // A process of its own: the library looks for IMDS in the environment when it is loaded.
  const script = `
    const { ManagedIdentityCredential } = await import('@azure/identity')
    const { SecretClient } = await import('@azure/keyvault-secrets')
    const { hostname, port } = new URL(process.env.LAB_PROXY)
    const proxyOptions = { host: 'http://' + hostname, port: Number(port) }
    const client = new SecretClient('https://shop.vault.azure.net', new ManagedIdentityCredential(), { proxyOptions })
    console.log((await client.getSecret('ExampleSecret')).value)`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      AZURE_POD_IDENTITY_AUTHORITY_HOST: proxy.url,
      LAB_PROXY: lab.azure.proxyUrl,
      NODE_EXTRA_CA_CERTS: lab.azure.caFile,
    },
    timeout: 30_000,
  })
  assert.equal(stdout.trim(), 'from the vault', stderr)
})

describe('a token request', () => {
  test('is answered as IMDS answers, with text only', async (t) => {
    const lab = await setting(t)
    const { clientId } = lab.identity
    const proxy = await startProxyProcess(t, lab, '')
    const { status, json, headers } = await proxy.ask(tokenTarget({ resource, client_id: clientId }))
    assert.equal(status, 200)
    const { access_token: token, expires_in: seconds, expires_on: end, ...rest } = json as Record<string, string>
    assert.partialDeepStrictEqual(decodeJwt(token ?? ''), { appid: clientId, aud: resource })
    const left = Number(end) - Date.now() / 1000
    assert.ok(Number(seconds) > 3000 && Number(seconds) <= left - 5, `${seconds} s of ${left} s`)
    assert.deepEqual(rest, {
      refresh_token: '',
      client_id: clientId,
      ext_expires_in: seconds,
      not_before: '0',
      resource,
      token_type: 'Bearer',
    })
    assert.equal(headers['content-type'], 'application/json')
    assert.match(String(headers.server), /^azure-workload-identity\/proxy\/v/)
  })

  test('with a slash behind the resource gets a token for just that audience', async (t) => {
    const lab = await setting(t)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId)
    const { status, json } = await proxy.ask(tokenTarget({ resource: `${resource}/` }))
    assert.equal(status, 200, JSON.stringify(json))
    assert.equal(decodeJwt(String(json.access_token)).aud, `${resource}/`)
  })

  test('is exchanged once for many applications, and its log holds no token', async (t) => {
    const lab = await setting(t)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags: ['--log-level=all'] })
    await lab.takeCounts()
    const answers = await Promise.all(Array.from({ length: 10 }, () => proxy.ask(tokenTarget({ resource }))))
    await proxy.ask(tokenTarget({ resource }))
    const tokens = new Set(answers.map(({ json }) => json.access_token))
    assert.equal(tokens.size, 1)
    assert.equal((await lab.takeCounts())['entra.token'], 1)
    await eventually(() => assert.equal(proxy.lines.filter((line) => line.includes('"msg":"token given"')).length, 11))
    const log = proxy.lines.join('\n')
    assert.match(log, /"resource":"https:\/\/vault.azure.net"/)
    assert.doesNotMatch(log, /eyJ/)
  })

  test('uses the service account token that is there then, and a token that is held during an outage', async (t) => {
    const lab = await setting(t)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags: ['--token-cache-ttl=1ms'] })
    proxy.setToken(await lab.issuer.token(appSubject, { exp: 1 }))
    const { status, json } = await proxy.ask(tokenTarget({ resource }))
    assert.equal(status, 400)
    assert.match(String(json.error_description), /AADSTS700024/)
    proxy.setToken(await lab.issuer.token(appSubject))
    const { json: first } = await proxy.ask(tokenTarget({ resource }))
    await lab.azure.control('PUT', '/faults/login.microsoftonline.com', { kind: 'unreachable' })
    const { json: second } = await proxy.ask(tokenTarget({ resource }))
    assert.ok(first.access_token !== undefined)
    assert.equal(second.access_token, first.access_token)
    const { status: never, json: why } = await proxy.ask(tokenTarget({ resource: 'https://storage.azure.com' }))
    assert.equal(never, 503)
    assert.equal(why.error, 'service_unavailable')
  })
})

describe('refused as IMDS refuses', () => {
  let lab: Setting
  let port: number
  const cleanups: (() => unknown)[] = []
  const context = { after: (run: () => unknown) => void cleanups.push(run) } as unknown as TestContext
  before(async () => {
    lab = await setting(context)
    port = (await startProxyProcess(context, lab, lab.identity.clientId)).port
  })
  after(async () => {
    for (const cleanup of cleanups.toReversed()) await cleanup()
  })

  const rows: [what: string, target: string, options: object, status: number, error: string, description: RegExp][] = [
    [
      'no header',
      tokenTarget({ resource }),
      { headers: {} },
      400,
      'invalid_request',
      /^Required metadata header not specified$/,
    ],
    ['no resource', tokenTarget({}), {}, 400, 'invalid_request', /^The resource parameter is required\.$/],
    ['a POST', tokenTarget({ resource }), { method: 'POST', body: 'x' }, 405, 'method_not_allowed', /expected GET/],
    [
      'an unknown client',
      tokenTarget({ resource, client_id: '00000000-0000-0000-0000-000000000000' }),
      {},
      400,
      'invalid_request',
      /AADSTS700016.*expected the client id/,
    ],
    [
      'an unknown resource',
      tokenTarget({ resource: 'https://nothing.example' }),
      {},
      400,
      'invalid_resource',
      /AADSTS500011/,
    ],
  ]
  for (const [what, target, options, status, error, description] of rows) {
    test(what, async () => {
      const { status: found, json } = await ask(target, { port, ...options })
      assert.deepEqual([found, json.error], [status, error])
      assert.match(String(json.error_description), description)
    })
  }

  test('with an answer within limits to a client that speaks no HTTP', async () => {
    const answered = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.end('\u0016\u0003\u0001 nonsense\r\n\r\n'))
      let answer = ''
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1')
      })
      socket.on('close', () => resolve(answer))
      socket.on('error', reject)
    })
    assert.match(answered, /^HTTP\/1.1 400/)
  })
})

describe('connections of a container that asks for too much', () => {
  test('keep no other container out: beyond the limit the oldest one that sends nothing is ended', async (t) => {
    const lab = await setting(t)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId)
    const most = proxyLimits.connections.value
    const silent = await Promise.all(Array.from({ length: most }, () => openRaw(t, proxy.port)))
    assert.equal((await proxy.ask('/readyz')).status, 200)
    silent.push(...(await Promise.all(Array.from({ length: most }, () => openRaw(t, proxy.port)))))
    assert.equal((await proxy.ask(tokenTarget({ resource }))).status, 200)
    await eventually(() => assert.ok(silent.filter(({ socket }) => !socket.closed).length <= most))
  })

  test('are ended when half of a request has been sent and the rest does not come', async (t) => {
    const lab = await setting(t)
    const imds = await startImds(t, (_, response) => void response)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags: [`--imds-endpoint=${imds}`] })
    const [headless, bodiless] = [await openRaw(t, proxy.port), await openRaw(t, proxy.port)]
    headless.socket.write('GET /metadata/instance HTTP/1.1\r\nhost: x\r\n')
    bodiless.socket.write('PUT /metadata/instance HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{')
    for (const { socket } of [headless, bodiless]) if (!socket.closed) await once(socket, 'close')
    assert.match(headless.text, /^HTTP\/1.1 408/)
    assert.doesNotMatch(bodiless.text, /^HTTP\/1.1 200/)
  })
})

test('the header may be left out where that is switched off, as it may with upstream', async (t) => {
  const lab = await setting(t)
  const flags = ['--require-metadata-header=false']
  const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags })
  const { status } = await proxy.ask(tokenTarget({ resource }), { headers: {} })
  assert.equal(status, 200)
})

/** An IMDS that answers with the request. */
async function startImds(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  return `http://127.0.0.1:${await loopbackPort(t, createServer(answer))}`
}

describe('any other request', () => {
  test('goes to IMDS, and the answer comes back', async (t) => {
    const lab = await setting(t)
    const imds = await startImds(t, (request, response) => {
      const { method, url, headers } = request
      void text(request).then((body) => {
        response
          .writeHead(418, { 'x-of': 'imds', connection: 'close' })
          .end(JSON.stringify({ method, url, headers, body }))
      })
    })
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags: [`--imds-endpoint=${imds}`] })
    const target = '/metadata/instance//compute?api-version=2021-02-01&format=json'
    const headers = { metadata: 'true', 'x-forwarded-for': '10.0.0.1', connection: 'x-hop', 'x-hop': '1' }
    const answer = await proxy.ask(target, { method: 'PUT', headers, body: 'hello' })
    assert.equal(answer.status, 418)
    assert.equal(answer.headers['x-of'], 'imds')
    assert.partialDeepStrictEqual(answer.json, { method: 'PUT', url: target, body: 'hello' })
    const sent = answer.json.headers as Record<string, string>
    assert.equal(sent['x-forwarded-for'], '10.0.0.1')
    assert.equal(sent.host, new URL(imds).host)
    assert.equal(sent['x-hop'], undefined)
  })

  test('is answered at once where there is no IMDS', async (t) => {
    const lab = await setting(t)
    const flags = ['--imds-endpoint=http://127.0.0.1:1']
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags })
    const { status, json } = await proxy.ask('/metadata/instance')
    assert.equal(status, 502)
    assert.match(String(json.error_description), /IMDS|instance metadata service.*cannot be reached/)
  })
})

describe('the process', () => {
  test('answers when it is ready, and --probe waits for it', async (t) => {
    const lab = await setting(t)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId)
    const { status, text: body } = await proxy.ask('/readyz', { headers: {} })
    assert.deepEqual([status, body], [200, 'ok'])
    const probe = spawnProxy(t, ['proxy', '--probe', `--proxy-port=${proxy.port}`, '--log-level='], {})
    assert.deepEqual((await probe.ended)[0], 0)
  })

  test('--probe keeps asking while nothing listens yet', async (t) => {
    const server = createServer((_, response) => response.end('ok'))
    const port = await freePort()
    const probe = spawnProxy(t, ['proxy', '--probe', `--proxy-port=${port}`], {})
    const late = setTimeout(() => server.listen(port, '127.0.0.1'), 1500)
    t.after(() => {
      clearTimeout(late)
      server.close()
    })
    assert.equal((await probe.ended)[0], 0)
  })

  test('listens on the loopback interface only', async (t) => {
    const lab = await setting(t)
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId)
    await assert.rejects(ask('/readyz', { port: proxy.port, host: '127.0.0.2' }), /ECONNREFUSED/)
  })

  test('answers what it has begun before it ends at SIGTERM', async (t) => {
    const lab = await setting(t)
    const asked = Promise.withResolvers<ServerResponse>()
    const imds = await startImds(t, (_, response) => asked.resolve(response))
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { flags: [`--imds-endpoint=${imds}`] })
    const answer = proxy.ask('/metadata/instance')
    const response = await asked.promise
    proxy.process.kill('SIGTERM')
    await eventually(() => assert.match(proxy.lines.join('\n'), /"msg":"stopping"/))
    response.end('late')
    assert.equal((await answer).text, 'late')
    assert.equal((await proxy.ended)[0], 0)
  })

  test('prints its version as JSON', async (t) => {
    const { lines, ended } = spawnProxy(t, ['proxy', '--version'], {})
    assert.equal((await ended)[0], 0)
    assert.ok('buildVersion' in JSON.parse(lines.join('')))
  })

  test('trusts certificates of the environment, where no file can be', async (t) => {
    const lab = await setting(t)
    const env = { SSL_CERT_FILE: '', KEYMOUNT_EXTRA_CA: readFileSync(lab.azure.caFile, 'utf8') }
    const proxy = await startProxyProcess(t, lab, lab.identity.clientId, { env })
    assert.equal((await proxy.ask(tokenTarget({ resource }))).status, 200)
  })

  test('refuses to start with everything that is wrong at once', async (t) => {
    const { lines, ended } = spawnProxy(
      t,
      ['proxy', '--proxy-port=70000', '--imds-endpoint=https://x', '--log-level=x'],
      {
        AZURE_AUTHORITY_HOST: 'http://plain',
      },
    )
    assert.equal((await ended)[0], 2)
    const printed = lines.join('\n')
    for (const part of [
      '--proxy-port',
      '--imds-endpoint',
      '--log-level',
      'AZURE_TENANT_ID not set',
      'AZURE_FEDERATED_TOKEN_FILE not set',
      'AZURE_AUTHORITY_HOST',
    ]) {
      assert.ok(printed.includes(part), `${part} in ${printed}`)
    }
  })
})
