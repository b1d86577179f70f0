import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { listen } from '#lib/http'
import { temporaryHome } from '../lab/home/lab-in-temporary-home.ts'
import { createOpenssl } from '../support/openssl.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const site = 'intranet.example'

/** A company's network: a forward proxy, and behind it a site with a certificate of the company's own CA. */
async function startCompany(t: TestContext) {
  const directory = temporaryDirectory(t)
  const openssl = createOpenssl(t)
  const ca = openssl.certificate('company', { ca: true })
  const leaf = openssl.certificate('site', { hosts: [site], issuer: ca })
  const web = createHttpsServer({ key: leaf.key, cert: leaf.certificate }, (_, response) =>
    response.end('of the intranet'),
  )
  const { port: webPort, stop: stopWeb } = await listen(web, { host: '127.0.0.1', port: 0 })
  t.after(stopWeb)
  const asked: string[] = []
  const proxy = createHttpServer((_, response) => response.writeHead(405).end())
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '')
    const upstream = connect(webPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
  })
  const { port, stop } = await listen(proxy, { host: '127.0.0.1', port: 0 })
  t.after(stop)
  const certificates = join(directory, 'certs')
  mkdirSync(certificates)
  writeFileSync(join(certificates, 'company.pem'), ca.certificate)
  return { proxy: `http://127.0.0.1:${port}`, certificates, ca: join(certificates, 'company.pem'), asked }
}

/** What the standard library is compiled into, so that it is compiled once per machine. */
const goCache = spawnSync('go', ['env', 'GOCACHE'], { encoding: 'utf8' }).stdout?.trim() ?? ''

const go = `package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
	for _, url := range os.Args[1:] {
		response, err := http.Get(url)
		if err != nil { fmt.Println(err); continue }
		body, _ := io.ReadAll(response.Body)
		fmt.Println(response.StatusCode, string(body))
	}
}
`
const python = `
import sys, ssl, urllib.request, urllib.error
for url in sys.argv[1:]:
    try:
        with urllib.request.urlopen(url) as response: print(response.status, response.read().decode())
    except urllib.error.HTTPError as error: print(error.code)
`
const requests = `
import sys, requests
for url in sys.argv[1:]:
    response = requests.get(url)
    print(response.status_code, response.text)
`
const javascript = `
for (const url of process.argv.slice(1)) {
  const response = await fetch(url)
  console.log(response.status, await response.text())
}
`

interface Client {
  name: string
  command: (directory: string) => readonly string[]
  env?: Record<string, string>
  /** A command that fails where the client is missing. */
  needs: readonly string[]
}

const clients: readonly Client[] = [
  { name: 'curl', command: () => ['curl', '-sS', '-w', '%{http_code}\n'], needs: ['curl', '--version'] },
  { name: 'Python', command: () => ['python3', '-c', python], needs: ['python3', '--version'] },
  { name: 'Python requests', command: () => ['python3', '-c', requests], needs: ['python3', '-c', 'import requests'] },
  {
    name: 'Node',
    command: () => [process.execPath, '--input-type=module', '-e', javascript],
    env: { NODE_USE_ENV_PROXY: '1' },
    needs: [process.execPath, '--version'],
  },
  {
    name: 'Go',
    command(directory) {
      writeFileSync(join(directory, 'main.go'), go)
      return ['go', 'run', join(directory, 'main.go')]
    },
    needs: ['go', 'version'],
  },
]

test('with the variables of keymount env, clients reach the lab, and through the machine’s own proxy and CA what is behind it', async (t) => {
  const company = await startCompany(t)
  const home = await temporaryHome(t)
  const machine: Record<string, string> = {
    https_proxy: company.proxy,
    no_proxy: 'other.example',
    CURL_CA_BUNDLE: company.ca,
    PIP_CERT: company.ca,
    SSL_CERT_DIR: company.certificates,
  }
  const up = await home.keymountWith(machine, 'up', '--ports', 'free')
  assert.equal(up.code, 0, up.stderr)
  assert.equal((await home.keymount('azure', 'vault', 'create', 'settings', '--secret', 'a=b')).code, 0)
  const { stdout: script } = await home.keymountWith(machine, 'env')
  const run = async ({ command, env = {} }: Client, script: string, ...urls: string[]) => {
    const directory = temporaryDirectory(t)
    const own = {
      PATH: process.env.PATH ?? '',
      HOME: directory,
      GOCACHE: goCache,
      ...machine,
      ...env,
    }
    const words = ['-c', `${script}\nexec "$@"`, 'sh', ...command(directory), ...urls]
    const { stdout, stderr } = await promisify(execFile)('sh', words, { env: own }).catch((error) => error)
    return `${stdout}${stderr}`
  }

  for (const client of clients) {
    const [program = '', ...args] = client.needs
    const isMissing = spawnSync(program, args).status !== 0
    await t.test(client.name, { skip: isMissing && `${client.name} is not installed` }, async () => {
      company.asked.length = 0
      const text = await run(
        client,
        script,
        'https://settings.vault.azure.net/secrets?api-version=7.4',
        `https://${site}/`,
      )
      assert.match(text, /401/, 'the vault asks for a token')
      assert.match(text, /of the intranet/)
      assert.deepEqual(company.asked, [`${site}:443`], 'the lab’s hosts do not pass the machine’s proxy')
    })
  }

  await t.test('and after env --unset, the variables are those of the machine', async () => {
    const inShell = `${script}\neval "$(keymount env --unset)"\nenv`
    const saved = Object.fromEntries(
      [...script.matchAll(/^export (KEYMOUNT_ORIGINAL_\w+)='([^']*)'$/gm)].map(([, name = '', value = '']) => [
        name,
        value,
      ]),
    )
    const { stdout: unset } = await home.keymountWith({ ...machine, ...saved }, 'env', '--unset')
    const { stdout } = await promisify(execFile)(
      'sh',
      ['-c', inShell.replace('eval "$(keymount env --unset)"', unset)],
      {
        env: machine,
      },
    )
    const left = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    )
    for (const name of ['PWD', 'SHLVL', '_', 'OLDPWD']) delete left[name]
    assert.deepEqual(left, machine)
  })

  await t.test('env twice in one shell keeps the machine’s values', async () => {
    const variables = JSON.parse((await home.keymountWith(machine, 'env', '--json')).stdout) as Record<string, string>
    const again = JSON.parse((await home.keymountWith({ ...machine, ...variables }, 'env', '--json')).stdout)
    assert.deepEqual(again, variables)
    assert.ok(readFileSync(variables.CURL_CA_BUNDLE ?? '', 'utf8').includes(readFileSync(company.ca, 'utf8').trim()))
  })
})
