import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { startApiProxy } from '../support/api-proxy.ts'
import { type OpenDashboard, openDashboard } from '../support/dashboard.ts'
import { createFleet } from '../support/dashboard-fleet.ts'
import { kubeClientOf } from '../support/kube-client-of.ts'
import { startLocalCluster } from '../support/local-cluster.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

interface Sent {
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: unknown
}

/** A request with exactly these headers: `fetch` would not send a forged Host. */
function send(
  { origin }: OpenDashboard,
  { path = '/api/info', method = 'GET', headers = {}, body }: Sent,
): Promise<Answer> {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${origin}${path}`,
      {
        method,
        headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        agent: false,
      },
      (response) => {
        let answer = ''
        response.on('data', (chunk) => {
          answer += String(chunk)
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: answer }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

/** Of the rows that lines of a stream have, in their order. */
function keysOf(lines: readonly { type: string; rows?: { key: string }[] }[]): string[] {
  return lines.flatMap(({ type, rows = [] }) => (type === 'set' ? rows.map(({ key }) => key) : []))
}

test('the dashboard answers its own page alone', async (t) => {
  const cluster = await startLocalCluster(t)
  const kube = kubeClientOf(t, cluster.kubeconfig)
  await createFleet(kube)
  const dashboard = await openDashboard(t, cluster.kubeconfig)
  const { origin } = dashboard
  const session = await dashboard.signIn()
  const post = { path: '/api/rotate', method: 'POST', body: { namespace: 'shop', name: 'database' } }

  await t.test(
    'with cookie and key it answers; with one of them, another one, or the token alone it does not',
    async () => {
      assert.equal((await send(dashboard, { headers: session })).status, 200)
      const { cookie = '', 'x-keymount-key': key = '' } = session
      const other = await dashboard.signIn()
      const refused: Record<string, string>[] = [
        {},
        { cookie },
        { 'x-keymount-key': key },
        { cookie, 'x-keymount-key': other['x-keymount-key'] ?? '' },
        { cookie: `${cookie}a`, 'x-keymount-key': key },
        { authorization: `Bearer ${dashboard.token}` },
      ]
      for (const headers of refused) {
        for (const path of ['/api/info', '/api/rows/volumes', '/api/rights?namespace=shop', '/api/rates?node=n1'])
          assert.equal((await send(dashboard, { path, headers })).status, 401, path)
        assert.equal((await send(dashboard, { ...post, headers: { ...headers, origin } })).status, 401)
      }
      const wrong = { path: '/api/session', method: 'POST', headers: { origin }, body: { token: 'guess' } }
      assert.equal((await send(dashboard, wrong)).status, 401)
      const { headers } = await send(dashboard, { ...wrong, body: { token: dashboard.token } })
      assert.match(String(headers['set-cookie']), /^keymount-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
    },
  )

  await t.test('a name that an attacker has resolve to 127.0.0.1 gets nothing, not even the page', async () => {
    const { host } = new URL(origin)
    for (const name of [
      `attacker.example:${dashboard.port}`,
      'localhost',
      '127.0.0.1',
      `[::1]:${dashboard.port}`,
      `${host}.attacker.example`,
    ]) {
      for (const path of ['/', '/api/info', '/app/dashboard/page/main.ts']) {
        const { status, text } = await send(dashboard, { path, headers: { ...session, host: name } })
        assert.ok(status === 421 || status === 400, `${name} ${path}: ${status}`)
        assert.doesNotMatch(text, /keymount/i)
      }
    }
    assert.equal((await send(dashboard, { headers: { ...session, host: `localhost:${dashboard.port}` } })).status, 200)
  })

  await t.test('requests that another page causes are refused, with the cookie and the key as well', async () => {
    const foreign: Record<string, string>[] = [
      { origin: 'https://attacker.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${dashboard.port + 1}` },
      { origin: `http://localhost:${dashboard.port}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
    ]
    for (const headers of foreign) {
      assert.equal(
        (await send(dashboard, { headers: { ...session, ...headers } })).status,
        403,
        JSON.stringify(headers),
      )
      assert.equal((await send(dashboard, { ...post, headers: { ...session, origin, ...headers } })).status, 403)
    }
  })

  await t.test('a write needs an Origin and JSON of bounded size; other methods do not exist', async () => {
    assert.equal((await send(dashboard, { ...post, headers: session })).status, 403)
    const form = { ...session, origin, 'content-type': 'application/x-www-form-urlencoded' }
    assert.equal((await send(dashboard, { ...post, headers: form, body: 'namespace=shop' })).status, 415)
    const large = { ...post, headers: { ...session, origin }, body: { namespace: 'a'.repeat(5000), name: 'b' } }
    assert.equal((await send(dashboard, large)).status, 413)
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      assert.equal((await send(dashboard, { method, headers: { ...session, origin } })).status, 405)
  })

  await t.test('names that would lead elsewhere in the API server are refused', async () => {
    for (const name of ['../../../../api/v1/secrets', 'a/b', 'a%2fb', 'A', '', 'a?x=1', 'a'.repeat(254)]) {
      const rotate = { ...post, headers: { ...session, origin }, body: { namespace: 'shop', name } }
      assert.equal((await send(dashboard, rotate)).status, 502)
      const doctor = {
        path: '/api/doctor',
        method: 'POST',
        headers: { ...session, origin },
        body: { namespace: 'shop', target: `pod/${name}` },
      }
      assert.equal((await send(dashboard, doctor)).status, 502)
      const rights = await send(dashboard, {
        path: `/api/rights?namespace=${encodeURIComponent(name)}`,
        headers: session,
      })
      assert.equal(rights.status, 502)
    }
    const target = {
      path: '/api/doctor',
      method: 'POST',
      headers: { ...session, origin },
      body: { namespace: 'shop', target: 'secret/db' },
    }
    assert.equal((await send(dashboard, target)).status, 502)
  })

  await t.test('every answer forbids to be framed, cached, sniffed and to load from elsewhere', async () => {
    for (const path of ['/', '/volumes', '/app/dashboard/page/main.ts', '/api/info', '/nothing']) {
      const { headers } = await send(dashboard, { path, headers: session })
      assert.match(
        String(headers['content-security-policy']),
        /^default-src 'self';.*frame-ancestors 'none'.*require-trusted-types-for 'script'/,
      )
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin')
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
  })

  await t.test('the page is less than 200 KiB, all of it from here', async () => {
    const seen = new Set<string>()
    let bytes = 0
    const queue = ['/']
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue
      seen.add(path)
      const { status, text } = await send(dashboard, { path })
      assert.equal(status, 200, path)
      bytes += Buffer.byteLength(text)
      assert.doesNotMatch(
        text.replaceAll('http://www.w3.org/2000/svg', ''),
        /(src|href)="https?:|url\(|@import|import\s.*'https?:/,
      )
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/)
      for (const [, file = ''] of text.matchAll(/(?:src|href)="(\/app\/[^"]+)"|from '(\.[^']+)'/g)) queue.push(file)
      for (const [, file = ''] of text.matchAll(/from '(\.[^']+)'/g))
        queue.push(new URL(file, `http://x${path}`).pathname)
      queue.splice(0, queue.length, ...queue.filter((one) => one.startsWith('/')))
    }
    assert.ok(seen.size > 10, [...seen].join())
    assert.ok(bytes <= 200 * 1024, `${bytes} bytes`)
    t.diagnostic(`the page has ${bytes} bytes`)
  })

  await t.test('rows come as lines, first all of them, then what has changed', async () => {
    const lines = await dashboard.lines('/api/rows/volumes', session, (all) =>
      all.some((line) => line.type === 'head' && line.isReady),
    )
    assert.equal(new Set(keysOf(lines)).size, 46)
    assert.equal((await send(dashboard, { path: '/api/rows/secret-data', headers: session })).status, 404)
  })

  await t.test(
    'a row is sent once, when everything that it is made of was read; an API server that then fails is reported beside the rows',
    async () => {
      const proxy = await startApiProxy(
        cluster.kubeconfig,
        `${temporaryDirectory(t, 'keymount-dashboard-')}/kubeconfig`,
      )
      t.after(() => proxy.stop())
      const held = proxy.holdNext(/^GET \/api\/v1\/pods\?limit=500$/)
      const slow = await openDashboard(t, proxy.kubeconfig)
      const own = await slow.signIn()
      await held
      const isReady = (all: readonly { type: string; isReady?: boolean }[]) =>
        all.some((line) => line.type === 'head' && line.isReady)
      const objects = await slow.lines('/api/rows/objects', own, isReady)
      assert.ok(keysOf(objects).length > 10)
      const heads = (all: readonly { type: string }[]) => all.filter(({ type }) => type === 'head').length
      const before = await slow.lines('/api/rows/volumes', own, (all) => heads(all) >= 3)
      assert.deepEqual(keysOf(before), [])
      assert.ok(!isReady(before))
      const lines = slow.lines('/api/rows/volumes', own, (all) => {
        if (heads(all) === 2) proxy.release()
        return isReady(all)
      })
      const keys = keysOf(await lines)
      assert.equal(keys.length, 46)
      assert.equal(new Set(keys).size, 46)

      const isUnreachable = ({ type, unreachable }: { type: string; unreachable?: string | null }) =>
        type === 'head' && typeof unreachable === 'string'
      proxy.fault = () => 503
      const failing = await slow.lines('/api/rows/volumes', own, (all) => all.some(isUnreachable))
      assert.match(failing.find(isUnreachable)?.unreachable ?? '', /503|a fault that the test asked for/)
      assert.equal(new Set(keysOf(failing)).size, 46)
      proxy.fault = undefined
      const isBack = (all: readonly { type: string }[]) =>
        all.some((line) => line.type === 'head' && !isUnreachable(line))
      await slow.lines('/api/rows/volumes', own, isBack)
      await slow.stop()
    },
  )

  await t.test('read-only, nothing that writes is there', async () => {
    const quiet = await openDashboard(t, cluster.kubeconfig, '--read-only')
    const own = await quiet.signIn()
    for (const path of ['/api/rotate', '/api/doctor'])
      assert.equal((await send(quiet, { ...post, path, headers: { ...own, origin: quiet.origin } })).status, 404)
    const { text } = await send(quiet, { path: '/api/rights?namespace=shop', headers: own })
    assert.deepEqual(JSON.parse(text), { rotate: false, doctor: false })
  })
})
