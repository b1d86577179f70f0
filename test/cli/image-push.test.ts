import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { decodeJwt, type JWTPayload } from 'jose'
import { platformOfMachine } from '#packaging/image'
import { helm } from '../packaging/charts/helm.ts'
import { needsRegistry, startRegistry } from '../support/docker-registry.ts'
import { findProgram } from '../support/find-program.ts'
import { startLocalAzure } from '../support/local-azure.ts'
import { runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startTokenRegistry } from '../support/token-registry.ts'

const crane = findProgram('crane', 'KEYMOUNT_CRANE')
const { name: platform, architecture } = platformOfMachine()

const needsClients = crane === undefined || helm === undefined ? { skip: 'crane or helm not found' } : needsRegistry

interface PushedImage {
  image: string
  tag: string
  digest: string
  platforms: { platform: string; digest: string }[]
}

async function pushed(host: string): Promise<PushedImage> {
  const { code, stdout, stderr } = await runCli([
    ...['image', 'push', `${host}/team/keymount:1.0`, '--plain-http', '--platform', platform, '-o', 'json'],
  ])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as PushedImage
}

/** helm with directories of its own. */
function helmIn(t: TestContext) {
  const directory = temporaryDirectory(t)
  const env = {
    PATH: process.env.PATH ?? '',
    HELM_CONFIG_HOME: directory,
    HELM_CACHE_HOME: directory,
    HELM_DATA_HOME: directory,
  }
  const run = async (...words: string[]) =>
    (await promisify(execFile)(helm ?? 'helm', words, { env, cwd: directory, maxBuffer: 16 * 1024 * 1024 })).stdout
  return { directory, run }
}

test('keymount image push and charts push put what crane and helm take into a registry', needsClients, async (t) => {
  const { host } = await startRegistry(t)
  const { digest, platforms, image } = await pushed(host)
  assert.equal(image, `${host}/team/keymount`)
  const askCrane = async (...words: string[]) => (await promisify(execFile)(crane ?? 'crane', words)).stdout
  assert.equal((await askCrane('digest', `${image}:1.0`)).trim(), digest)
  // It reads every blob back and compares it with its digest and with what the manifests name.
  await askCrane('validate', '--remote', `${image}:1.0`)
  const index = JSON.parse(await askCrane('manifest', `${image}:1.0`)) as { manifests: { platform: object }[] }
  assert.deepEqual(
    index.manifests.map((each) => each.platform),
    [{ os: 'linux', architecture }],
  )
  assert.deepEqual(
    platforms.map((each) => each.platform),
    [platform],
  )
  assert.deepEqual(await pushed(host), { image, tag: '1.0', digest, platforms })

  const charts = await runCli([
    ...['charts', 'push', `oci://${host}/charts`, '--image', `${image}:1.0`, '--plain-http', '-o', 'json'],
  ])
  assert.equal(charts.code, 0, charts.stderr)
  const { charts: all } = JSON.parse(charts.stdout) as { charts: { url: string; version: string; digest: string }[] }
  assert.equal(all.length, 5)
  const { directory, run } = helmIn(t)
  for (const { url, version } of all) await run('pull', url, '--version', version, '--plain-http')
  assert.equal((await readdir(directory)).filter((name) => name.endsWith('.tgz')).length, 5)
  const own = all.find(({ url }) => url.endsWith('/keymount'))
  assert.equal((await askCrane('digest', `${host}/charts/keymount:${own?.version}`)).trim(), own?.digest)
  for (const { url, version } of all.slice(0, 2)) {
    const rendered = await run('template', 'a', url, '--version', version, '--plain-http', '--kube-version', '1.34.0')
    assert.ok(rendered.includes(`image: "${image}:1.0@${digest}"`) || rendered.includes(`${image}@${digest}`), url)
    assert.ok(!rendered.includes('ghcr.io'), url)
  }
})

test('what keeps a push from its registry is named, with the way to fix it', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const push = (...words: string[]) => runCli(['image', 'push', ...words, '--platform', platform])
  const overTls = await push(`${host}/keymount:1.0`)
  assert.equal(overTls.code, 1)
  assert.match(overTls.stderr, /Cannot use 127\.0\.0\.1:\d+\/keymount\n.*does not speak TLS.*\n.*--plain-http/)
  const nothing = await push('127.0.0.1:1/keymount:1.0', '--plain-http')
  assert.match(nothing.stderr, /127\.0\.0\.1:1 refused the connection/)
  for (const [reference, message] of [
    ['keymount:1.0', /found "keymount", expected REGISTRY\/NAME/],
    [`${host}/keymount`, /the tag is missing/],
    [`${host}/Keymount:1.0`, /name: found "Keymount", expected lower-case/],
    [`${host}/keymount:-a`, /tag: found "-a"/],
    [`${host}/keymount@sha256:00`, /a tag and no digest/],
  ] as const) {
    const { code, stderr } = await push(reference)
    assert.equal(code, 2, reference)
    assert.match(stderr, message)
  }
})

test(
  'a password of docker login is used, and a wrong one is reported with the command that signs in',
  needsRegistry,
  async (t) => {
    const directory = temporaryDirectory(t)
    const users = join(directory, 'users')
    // The bcrypt hash of "correct horse".
    writeFileSync(users, 'ada:$2b$04$ppj7zQdr0.m7uSnFhQtRtutvAckw/hWMogzOe3qxZxjO9sX7a5Y3C\n')
    const { host } = await startRegistry(t, { auth: { htpasswd: { realm: 'test', path: users } } })
    const push = (password: string) => {
      const config = join(directory, password)
      mkdirSync(config)
      const auth = Buffer.from(`ada:${password}`).toString('base64')
      writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
      return runCli(['charts', 'push', `${host}/charts`, '--plain-http'], { DOCKER_CONFIG: config })
    }
    const right = await push('correct horse')
    assert.equal(right.code, 0, right.stderr)
    assert.match(right.stdout, /^oci:\/\/127\.0\.0\.1:\d+\/charts\/keymount \S+ sha256:[0-9a-f]{64}$/m)
    const wrong = await push('wrong horse')
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /answered 401/)
    assert.match(wrong.stderr, /sign in: docker login 127\.0\.0\.1:\d+/)
    assert.ok(!wrong.stderr.includes('wrong horse'))
  },
)

test(
  'a push to Azure Container Registry signs in with Entra, as the account that the options name',
  needsRegistry,
  async (t) => {
    const registry = 'contoso.azurecr.io'
    const { host, token } = await startTokenRegistry(t, registry)
    const claims: JWTPayload[] = []
    const answer = async (request: Request): Promise<Response> => {
      const { pathname, search } = new URL(request.url)
      if (pathname === '/oauth2/exchange') {
        const form = await request.formData()
        claims.push(decodeJwt(String(form.get('access_token'))))
        return Response.json({ refresh_token: 'refresh' })
      }
      if (pathname === '/oauth2/token') {
        const form = await request.formData()
        return Response.json({ access_token: await token(String(form.get('scope'))) })
      }
      const { method } = request
      const headers = new Headers(request.headers)
      for (const name of ['host', 'connection', 'content-length']) headers.delete(name)
      headers.set('x-forwarded-host', registry)
      headers.set('x-forwarded-proto', 'https')
      const hasBody = method !== 'GET' && method !== 'HEAD'
      const body = hasBody ? { body: await request.arrayBuffer() } : {}
      return fetch(`http://${host}${pathname}${search}`, { method, headers, redirect: 'manual', ...body })
    }
    const azure = await startLocalAzure(t, { sites: [{ host: registry, answer }] })
    const { tenantId, clientId, clientSecret } = azure.administrator
    const { code, stdout, stderr } = await runCli(
      ['charts', 'push', `${registry}/charts`, '--auth-method', 'client_secret', '--tenant-id', tenantId],
      {
        HTTPS_PROXY: azure.proxyUrl,
        SSL_CERT_FILE: azure.caFile,
        AZURE_CLIENT_ID: clientId,
        AZURE_CLIENT_SECRET: clientSecret,
      },
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^oci:\/\/contoso\.azurecr\.io\/charts\/keymount \S+ sha256:[0-9a-f]{64}$/m)
    assert.deepEqual(
      new Set(claims.map(({ aud, appid, tid }) => `${aud} ${appid} ${tid}`)),
      new Set([`https://containerregistry.azure.net ${clientId} ${tenantId}`]),
    )
    assert.ok(!`${stdout}${stderr}`.includes(clientSecret))
  },
)
