// The inner half of azure-machine.ts, in a network of its own: PROXY_SOCKET IMDS_SOCKET COMMAND...
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const imdsAddress = '169.254.169.254'
const proxyPort = 18_443

const [proxySocket = '', imdsSocket = '', command = '', ...args] = process.argv.slice(2)
execFileSync('ip', ['link', 'set', 'lo', 'up'])
execFileSync('ip', ['address', 'add', `${imdsAddress}/32`, 'dev', 'lo'])
await forward('127.0.0.1', proxyPort, proxySocket)
await forward(imdsAddress, 80, imdsSocket)
// As on every machine behind a proxy: some SDKs would ask the proxy for the metadata service too.
const env = { ...process.env, HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`, NO_PROXY: imdsAddress }
const child = spawn(command, args, { env, stdio: 'inherit' })
const [status] = await once(child, 'exit')
process.exit(status ?? 1)

async function forward(address: string, port: number, socketPath: string): Promise<void> {
  const server = createServer((near) => {
    const far = connect(socketPath)
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
  server.listen(port, address)
  await once(server, 'listening')
}
