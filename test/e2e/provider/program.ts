import { mkdirSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { dirname } from 'node:path'
import { startFakeProvider } from '../../support/fake-provider.ts'

/**
 * The provider of the upstream cases, as a program in a pod of its own: `program PROVIDERS-DIRECTORY` serves
 * `e2e-provider.sock` in that directory; `program ask /rotation?rotated=true` sets this in the one that serves in the same container
 * what to do, and prints its answer.
 */
const controlSocket = '/tmp/e2e/control.sock'

const [first = '', path = ''] = process.argv.slice(2)
if (first === 'ask') ask(path)
else void serve(first)

async function serve(directory: string): Promise<void> {
  const provider = await startFakeProvider(directory)
  const controls: Record<string, (query: URLSearchParams) => string> = {
    '/rotation': (query) => {
      provider.rotated = query.get('rotated') === 'true'
      return `rotated: ${provider.rotated}`
    },
    '/validate-token-requests': (query) => {
      provider.requiredAudiences = (query.get('audience') ?? '').split(',').filter((name) => name !== '')
      return `tokens for: ${provider.requiredAudiences.join(', ')}`
    },
    '/last-secrets': () => provider.mounts.at(-1)?.secrets ?? 'none',
    '/last-versions': () => JSON.stringify(provider.mounts.at(-1)?.currentObjectVersion ?? []),
  }
  mkdirSync(dirname(controlSocket), { recursive: true })
  rmSync(controlSocket, { force: true })
  const server = createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://provider')
    const control = controls[pathname]
    response.statusCode = control === undefined ? 404 : 200
    response.end(control === undefined ? `no control ${pathname}` : control(searchParams))
  })
  server.listen(controlSocket, () => process.stdout.write('serving\n'))
  process.on('SIGTERM', () => {
    server.close()
    void provider.stop().then(() => process.exit(0))
  })
}

function ask(path: string): void {
  const outgoing = request({ socketPath: controlSocket, path }, async (response) => {
    process.stdout.write(Buffer.concat(await response.toArray()))
    process.exitCode = response.statusCode === 200 ? 0 : 1
  })
  outgoing.end()
}
