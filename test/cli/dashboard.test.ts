import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { classAnnotations, type KubeClient, resources, statusAnnotations } from '#kubernetes/client'
import { listen } from '#lib/http'
import { axeViolations, browserMissing, type DashboardPage, openPage, startBrowser } from '../support/browser.ts'
import { type OpenDashboard, openDashboard } from '../support/dashboard.ts'
import { until } from '../support/eventually.ts'
import { tokenKubeconfig } from '../support/token-kubeconfig.ts'
import { createViewerRole } from '../support/viewer-role.ts'
import { type IdentityLab, startIdentityLab } from './identity-lab.ts'
import { account, classOf, createMountingPod, name, podOf, podReady } from './mounted-pod.ts'

const planted = 'planted-value-0f9c'
const hostile = '<img src=x onerror="document.title=\'owned\'"> \u202E{{7*7}}'

/** Two pods that mount a class, one that cannot, and what must not be on the page. */
async function createWorld(lab: IdentityLab): Promise<{ vault: string }> {
  const { vault, parameters } = await createMountingPod(lab, 'dashboard')
  const { kube } = lab
  await lab.azure.setSecret(vault, 'password', `${planted} in the vault`)
  await kube.create(resources.pods, podOf('billing'))
  // A mistake that people make: what is not for a class, and what kubectl remembers of an earlier one.
  const wrong = classOf(
    { ...parameters, keyvaultName: 'no-such-vault', clientSecret: `${planted} in a class` },
    'wrong',
  )
  const remembered = { 'kubectl.kubernetes.io/last-applied-configuration': `{"data":"${planted} in an annotation"}` }
  wrong.metadata.annotations = { ...remembered }
  await kube.create(resources.secretProviderClasses, wrong)
  const waits = podOf('waits', 'wrong')
  waits.metadata.annotations = { ...remembered }
  for (const container of waits.spec.containers) container.env = [{ name: 'PASSWORD', value: `${planted} in a pod` }]
  await kube.create(resources.pods, waits)
  const data = { password: Buffer.from(`${planted} in a Secret`).toString('base64') }
  await kube.create(resources.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'default', name },
    type: 'Opaque',
    data,
  } as never)
  await kube.create(resources.events, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace: 'default', name: 'hostile' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'billing' },
    reason: 'MountRotationFailed',
    message: hostile,
    type: 'Warning',
    lastTimestamp: new Date().toISOString(),
  } as never)
  await podReady(lab)
  await podReady(lab, { namespace: 'default', name: 'billing' })
  return { vault }
}

const cellOf = (page: Page, pod: string, column: number) =>
  page.locator('#body tr', { hasText: pod }).locator('td').nth(column)

function untilRows(page: Page, count: number) {
  return page.waitForSelector(`html[data-rows="${count}"]`, { state: 'attached' })
}

async function columnTexts(page: Page, column: number): Promise<string[]> {
  return page.locator(`#body tr:not(.spacer) td:nth-child(${column})`).allInnerTexts()
}

test('the dashboard in a browser, on a cluster with pods', { skip: browserMissing }, async (t) => {
  // What the vault has is in pods when a test rotates, and not before.
  const lab = await startIdentityLab(t, '--rotation-poll-interval', '1h')
  const { vault } = await createWorld(lab)
  const dashboard = await openDashboard(t, lab.env.KUBECONFIG ?? '')
  const browser = await startBrowser(t)
  const open = await openPage(browser, dashboard)
  const { page } = open
  const responses = recordResponses(page)

  await t.test('the token leaves the address, and the page shows every volume, what is wrong first', async () => {
    assert.equal(page.url(), `${dashboard.origin}/`)
    await untilRows(page, 3)
    assert.deepEqual((await columnTexts(page, 3)).toSorted(), ['billing', 'orders', 'waits'])
    await until(
      'kubelet has reported why the pod waits',
      async () => (await columnTexts(page, 1))[0] === 'waiting' && (await cellOf(page, 'waits', 9).innerText()) !== '',
    )
    assert.match(await page.title(), /^\(\d+\) Volumes · Keymount$/)
  })

  await t.test('filter, chips and sort; the address has them, and opens the same page', async () => {
    await page.fill('#filter', 'ns:default pod:billing')
    await untilRows(page, 1)
    assert.deepEqual(await columnTexts(page, 3), ['billing'])
    await page.fill('#filter', 'colour:red')
    assert.match(await page.innerText('#filter-problem'), /Volumes have no column "colour"/)
    assert.match(await page.innerText('#empty'), /No volume matches/)
    await page.getByRole('button', { name: 'Clear the filter' }).click()
    await page.getByRole('button', { name: /^2 fresh/ }).click()
    await untilRows(page, 2)
    assert.equal(new URL(page.url()).search, '?q=state%3Dfresh')
    await page.getByRole('button', { name: 'Pod', exact: true }).click()
    assert.deepEqual(await columnTexts(page, 3), ['billing', 'orders'])
    await page.getByRole('button', { name: /^Pod/ }).click()
    assert.deepEqual(await columnTexts(page, 3), ['orders', 'billing'])
    assert.equal(await page.locator('th', { hasText: 'Pod' }).getAttribute('aria-sort'), 'descending')
    const address = page.url()
    const other = await page.context().newPage()
    await other.goto(address)
    await untilRows(other, 2)
    assert.deepEqual(await columnTexts(other, 3), ['orders', 'billing'])
    await other.close()
  })

  await t.test('a link to a row opens its details; links in them lead to the class', async () => {
    await open.goto(`/volumes?row=${encodeURIComponent(`default/${name}-default-${name}`)}`)
    await page.waitForSelector('#panel:not([hidden])')
    assert.match(await page.innerText('#panel'), /orders[\s\S]*secret\/password/)
    await page.locator('#panel a', { hasText: name }).first().click()
    await page.waitForURL(/\/classes/)
    await untilRows(page, 1)
    assert.equal(new URL(page.url()).searchParams.get('q'), `ns=default class=${name}`)
    await page.goBack()
    await page.waitForURL(/\/volumes/)
  })

  await t.test('with the keyboard alone: rows, details, filter, views, help, theme', async () => {
    await open.goto('/volumes')
    const chosen = () => page.locator('#body tr[aria-selected=true] td:nth-child(3)').innerText()
    await page.keyboard.press('j')
    const first = await chosen()
    await page.keyboard.press('j')
    assert.notEqual(await chosen(), first)
    await page.keyboard.press('k')
    assert.equal(await chosen(), first)
    const active = await page.getAttribute('#grid', 'aria-activedescendant')
    assert.equal(await page.locator(`#${active} td:nth-child(3)`).innerText(), first)
    await page.keyboard.press('Enter')
    assert.equal(await page.locator('#panel h2').innerText(), first)
    assert.equal(await page.evaluate('document.activeElement.id'), 'panel')
    await page.keyboard.press('Escape')
    assert.equal(await page.locator('#panel').isVisible(), false)
    assert.equal(await page.evaluate('document.activeElement.id'), 'grid')
    await page.keyboard.press('/')
    await page.keyboard.type('billing')
    await untilRows(page, 1)
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await untilRows(page, 3)
    await page.keyboard.press('6')
    assert.equal(await page.innerText('h1'), 'Problems')
    await page.keyboard.press('?')
    assert.equal(await page.locator('#keys').isVisible(), true)
    await page.keyboard.press('Escape')
    await page.keyboard.press('t')
    assert.equal(await page.innerText('#theme'), 'Theme: light')
    await page.keyboard.press('t')
    await page.keyboard.press('t')
    assert.equal(await page.innerText('#theme'), 'Theme: auto')
  })

  await t.test('a rotation elsewhere is seen live, without a reload', async () => {
    await open.goto('/volumes')
    const before = await cellOf(page, name, 5).innerText()
    await lab.azure.setSecret(vault, 'password', `${planted} again`)
    assert.equal((await lab.keymount('rotate', name, '-n', 'default')).code, 0)
    await until('the page shows the new version', async () => (await cellOf(page, name, 5).innerText()) !== before)
  })

  await t.test('the button rotates the class, and the page shows what came of it', async () => {
    const before = await cellOf(page, name, 5).innerText()
    await lab.azure.setSecret(vault, 'password', `${planted} by the button`)
    await cellOf(page, name, 2).click()
    await page.getByRole('button', { name: 'Rotate now' }).click()
    await page.waitForSelector('#panel .result')
    assert.equal(await page.innerText('#panel .result'), 'Rotated: 2 changed.')
    await until('the row has the new version', async () => (await cellOf(page, name, 5).innerText()) !== before)
  })

  await t.test('the doctor examines the pod that waits', async () => {
    await cellOf(page, 'waits', 2).click()
    await page.getByRole('button', { name: 'Run doctor' }).click()
    await page.waitForSelector('#panel .steps li.bad')
    assert.match(await page.innerText('#panel .steps'), /CSIDriver object[\s\S]*keymount explain/)
  })

  await t.test('what a tenant writes is text: no element, no script, no change of direction', async () => {
    await open.goto('/events?q=reason:MountRotationFailed')
    await untilRows(page, 1)
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    const text = await page.innerText('#panel .message')
    assert.equal(text, '<img src=x onerror="document.title=\'owned\'">  {{7*7}}')
    assert.equal(await page.locator('main img').count(), 0)
    assert.doesNotMatch(await page.title(), /owned/)
    await open.goto(`/volumes?q=${encodeURIComponent('<img src=x onerror=alert(1)>')}&row=%3Cscript%3E&sort=__proto__`)
    assert.match(await page.innerText('#empty'), /No volume matches/)
  })

  await t.test(
    'names and statuses that a tenant invents are texts in every view, and no command runs them',
    async () => {
      await plantHostileObjects(lab.kube)
      const dialogs: string[] = []
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message())
        void dialog.dismiss()
      })
      const commands: string[] = []
      for (const view of ['volumes', 'objects', 'classes', 'secrets', 'problems', 'events']) {
        await open.goto(`/${view}`)
        await page.keyboard.press('j')
        const rows = await page.locator('#body tr[data-key]').count()
        for (let row = 0; row < rows; row++) {
          await page.keyboard.press('Enter')
          const found = await page.evaluate<{
            foreign: string[]
            links: string[]
            commands: string[]
            text: string
          }>(`({
          foreign: [...document.querySelectorAll('main img, main script, main iframe, main svg, main style, main form')].map((one) => one.outerHTML),
          links: [...document.querySelectorAll('main a')].map((one) => one.href),
          commands: [...document.querySelectorAll('#panel .command code')].map((one) => one.textContent),
          text: document.querySelector('main').textContent,
        })`)
          assert.deepEqual(found.foreign, [], view)
          for (const link of found.links) assert.ok(link.startsWith(`${dashboard.origin}/`), link)
          assert.doesNotMatch(found.text, /[\u202a-\u202e\u2066-\u2069]/)
          commands.push(...found.commands)
          await page.keyboard.press('j')
        }
      }
      assert.deepEqual(dialogs, [])
      assert.doesNotMatch(await page.title(), /owned/)
      assert.ok(commands.some((command) => command.includes('reboot')))
      // Only the programs that they name are there: of anything else, the shell reports that it is not found.
      const programs = ['keymount', 'kubectl', 'az', 'helm'].map((program) => `${program}() { :; }\n`).join('')
      for (const command of new Set(commands)) {
        const ran = spawnSync('/bin/sh', ['-c', `${programs}${command}`], { encoding: 'utf8', env: { PATH: '' } })
        assert.deepEqual([ran.stderr, ran.status], ['', 0], command)
      }
      await removeHostileObjects(lab.kube)
      await open.goto('/volumes')
      await untilRows(page, 3)
    },
  )

  await t.test('390 px wide: nothing is wider than the screen, rows and details are there', async () => {
    const phone = await openPage(browser, dashboard, { viewport: { width: 390, height: 844 } })
    assert.equal(await phone.page.evaluate('document.documentElement.scrollWidth'), 390)
    const row = phone.page.locator('#body tr', { hasText: 'billing' })
    await row.click()
    const box = await phone.page.locator('#panel').boundingBox()
    assert.deepEqual([box?.x, box?.width], [0, 390])
    assert.match(await phone.page.innerText('#panel'), /secret\/password/)
    await phone.page.getByRole('button', { name: 'Close details' }).click()
    assert.equal(await phone.page.locator('#panel').isVisible(), false)
    await phone.goto('/events')
    const link = await phone.page.locator('nav a[aria-current]').boundingBox()
    assert.ok(link !== null && link.x >= 0 && link.x + link.width <= 390, 'the link of the view is in the window')
    assert.deepEqual(phone.errors, [])
    await phone.page.context().close()
  })

  await t.test('a state is never cut off, at any width with a table', async () => {
    for (const width of [1440, 1000, 780]) {
      const sized = await openPage(browser, dashboard, { viewport: { width, height: 700 } })
      for (const view of ['volumes', 'nodes', 'events']) {
        await sized.goto(`/${view}`)
        const cut = await sized.page.evaluate<string[]>(
          `[...document.querySelectorAll('td.state')].filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)`,
        )
        assert.deepEqual(cut, [], `${view} at ${width}`)
      }
      assert.deepEqual(sized.errors, [])
      await sized.page.context().close()
    }
  })

  await t.test('axe finds nothing: every view, details, both themes, and a telephone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const themed = await openPage(browser, dashboard, { colorScheme })
      // The dark theme has other colours, and nothing else.
      const wanted =
        colorScheme === 'light' ? ['objects', 'classes', 'secrets', 'nodes', 'problems', 'events'] : ['problems']
      for (const view of wanted) {
        await themed.goto(`/${view}`)
        assert.deepEqual(await axeViolations(themed.page), [], `${view}, ${colorScheme}`)
        if ((await themed.page.locator('#body tr:not(.spacer)').count()) === 0) continue
        await themed.page.keyboard.press('j')
        await themed.page.keyboard.press('Enter')
        assert.deepEqual(await axeViolations(themed.page), [], `details of ${view}, ${colorScheme}`)
      }
      await themed.page.setViewportSize({ width: 390, height: 844 })
      await themed.goto('/volumes')
      assert.deepEqual(await axeViolations(themed.page), [], `390 px, ${colorScheme}`)
      await themed.page.context().close()
    }
  })

  await t.test('a page of another origin, in the same browser, changes nothing and reads nothing', () =>
    attackFromElsewhere(t, lab.kube, open, dashboard),
  )

  await t.test('--azure reads the metadata of the vaults: the newest version, before any pod has it', async () => {
    await lab.azure.setSecret(vault, 'password', `${planted} that no pod has`)
    const withAzure = await openDashboard(t, lab.env, '--azure', '--auth-method', 'client_secret')
    const other = await openPage(browser, withAzure)
    await other.goto('/objects?q=vault=dashboard')
    await other.page.waitForSelector('#body .warn .word')
    assert.equal(
      await other.page.locator('#body tr', { hasText: 'secret/password' }).locator('td').first().innerText(),
      'behind',
    )
    await other.page.context().close()
    await withAzure.stop()
  })

  await t.test('a user without the rights gets the rows that they may list, and no button', async () => {
    const limited = await openDashboard(t, await kubeconfigOf(t, lab), '-n', 'default')
    const other = await openPage(browser, limited)
    await cellOf(other.page, name, 2).click()
    await other.page.waitForSelector('#panel .facts')
    await other.page.waitForLoadState('networkidle', { timeout: 2000 }).catch(() => undefined)
    assert.equal(await other.page.getByRole('button', { name: 'Rotate now' }).count(), 0)
    assert.match(await other.page.innerText('#missing summary'), /Not everything is here: .* could not be read/)
    assert.match((await other.page.textContent('#missing')) ?? '', /nodes: .*forbidden/)
    await other.goto('/nodes')
    assert.match(
      await other.page.innerText('#empty'),
      /No nodes in what could be read\s+There may be some: nodes, .* could not be read/,
    )
    assert.equal(await other.page.innerText('nav a[data-view=nodes] .n'), '–')
    assert.match(await other.page.innerText('nav a[data-view=volumes] .n'), /^[1-9]/)
    await other.page.context().close()
  })

  await t.test('without its token the page shows what to do, and no row', async () => {
    const context = await browser.newContext()
    const stranger = await context.newPage()
    await stranger.goto(`${dashboard.origin}/volumes`)
    await stranger.waitForSelector('#empty h2')
    assert.match(await stranger.innerText('#empty'), /Open the address that keymount dashboard printed/)
    assert.equal(await stranger.locator('#body tr[data-key]').count(), 0)
    await context.close()
  })

  await t.test('no response has a value, a token or a key of anything', async () => {
    const key = await page.evaluate<string>("localStorage.getItem('keymount-key')")
    const [cookie] = (await page.context().cookies()).map((one) => `${one.name}=${one.value}`)
    const headers = { 'x-keymount-key': key, cookie: cookie ?? '' }
    const texts = [...(await responses()), await page.content(), dashboard.output()]
    for (const view of ['volumes', 'objects', 'classes', 'secrets', 'nodes', 'problems', 'events']) {
      const lines = await dashboard.lines(`/api/rows/${view}`, headers, (all) =>
        all.some(({ type, isReady }) => type === 'head' && isReady),
      )
      texts.push(JSON.stringify(lines))
    }
    const all = texts.join('\n')
    assert.ok(texts.length > 30 && all.includes('secret/password'), 'responses were recorded')
    for (const value of [
      planted,
      Buffer.from(planted).toString('base64').slice(0, 20),
      'PRIVATE KEY',
      lab.env.AZURE_CLIENT_SECRET ?? planted,
    ])
      assert.ok(!all.includes(value), `found ${value}`)
    assert.doesNotMatch(all, /eyJ[\w-]{10,}\.[\w-]{10,}/)
  })

  await t.test('when the command ends, the page reports it and keeps what it has shown', async () => {
    await open.goto('/volumes')
    await dashboard.stop()
    await page.waitForSelector('#banner:not([hidden])')
    assert.match(await page.innerText('#banner'), /connection to keymount dashboard is lost/)
    assert.equal((await columnTexts(page, 3)).length, 3)
  })
  assert.deepEqual(
    open.errors.filter((error) => !/Failed to load resource|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE/.test(error)),
    [],
  )
})

const invented = {
  // What the API server lets a tenant write into a status: everything.
  podName: `<img src=x onerror="alert('owned')">$(reboot)'"; reboot #\u202E`,
  className: '"><script>document.title="owned"</script>`reboot`',
  id: 'secret/<svg onload=alert(1)>\u2066',
}

async function plantHostileObjects(kube: KubeClient): Promise<void> {
  const metadata = {
    namespace: 'default',
    name: 'invented',
    labels: { 'internal.secrets-store.csi.k8s.io/node-name': 'javascript.alert-1' },
    annotations: {
      [statusAnnotations.lastFailure]: `[vault-forbidden] ${hostile}\u0000<a href="javascript:alert(1)">fix</a> \`reboot\``,
      [statusAnnotations.failingSince]: '<b>never</b>',
      [statusAnnotations.nextCheck]: '__proto__',
    },
  }
  await kube.create(resources.secretProviderClassPodStatuses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata,
    status: {
      podName: invented.podName,
      secretProviderClassName: invented.className,
      mounted: true,
      targetPath: '/',
      objects: [{ id: invented.id, version: '<i>1</i>' }],
    },
  })
  const parameters = {
    keyvaultName: '<img src=x>',
    clientID: '$(reboot)',
    tenantID: '"><script>',
    objects: 'array: [<b>',
  }
  const inventedClass = classOf(parameters, 'invented')
  await kube.create(resources.secretProviderClasses, {
    ...inventedClass,
    spec: {
      ...inventedClass.spec,
      secretObjects: [
        { secretName: '<svg onload=alert(1)>', type: '<b>', data: [{ objectName: 'a', key: '</td><img src=x>' }] },
      ],
    },
  } as never)
}

async function removeHostileObjects(kube: KubeClient): Promise<void> {
  const ref = { namespace: 'default', name: 'invented' }
  await kube.delete(resources.secretProviderClassPodStatuses, ref)
  await kube.delete(resources.secretProviderClasses, ref)
}

/** The bodies of all responses that have ended; streams are read separately. */
function recordResponses(page: Page): () => Promise<string[]> {
  const bodies: Promise<string>[] = []
  page.context().on('response', (response) => {
    if (response.url().includes('/api/rows/')) return
    bodies.push(response.text().catch(() => ''))
  })
  return () => Promise.all(bodies)
}

/** What a page can try that the user has open beside the dashboard; gives what it could read. */
const attack = `async (target) => {
  const body = JSON.stringify({ namespace: 'default', name: 'orders' })
  const tries = [
    { method: 'POST', mode: 'no-cors', credentials: 'include', body },
    { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body },
    { credentials: 'include' },
  ]
  const found = []
  for (const path of ['/api/rotate', '/api/rows/volumes', '/api/info', '/app/dashboard/page/main.ts']) {
    for (const init of tries) {
      const text = await fetch(target + path, init).then(
        (response) => response.text(),
        () => 'refused',
      )
      if (text !== 'refused' && text !== '') found.push(path + ': ' + text.slice(0, 50))
    }
  }
  const frame = document.createElement('iframe')
  frame.src = target
  document.body.append(frame)
  await new Promise((resolve) => frame.addEventListener('load', resolve))
  try {
    found.push('frame: ' + frame.contentWindow.document.title)
  } catch {
    // Of another origin.
  }
  return found
}`

async function attackFromElsewhere(
  t: TestContext,
  kube: KubeClient,
  { page }: DashboardPage,
  { origin, port }: OpenDashboard,
): Promise<void> {
  const server = createServer((_, response) =>
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>attacker</title>'),
  )
  const attacker = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(() => attacker.stop())
  const rotateOf = async () =>
    (await kube.get(resources.secretProviderClasses, account)).metadata.annotations?.[classAnnotations.rotate]
  const before = await rotateOf()
  const evil = await page.context().newPage()
  // Both are the same site: only the port differs, or the name of the same address.
  for (const host of ['127.0.0.1', 'localhost']) {
    await evil.goto(`http://${host}:${attacker.port}/`)
    const outcomes = await evil.evaluate<string[]>(`(${attack})(${JSON.stringify(origin)})`)
    assert.deepEqual(outcomes, [], `from ${host}, to port ${port}`)
  }
  assert.equal(await rotateOf(), before)
  await evil.close()
}

/** Of a service account that may list in its namespace, and change nothing. */
async function kubeconfigOf(t: TestContext, { kube, env }: IdentityLab): Promise<string> {
  const viewer = { namespace: 'default', name: 'viewer' }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: viewer })
  await createViewerRole(kube, viewer)
  return tokenKubeconfig(t, kube, env.KUBECONFIG ?? '', viewer)
}
