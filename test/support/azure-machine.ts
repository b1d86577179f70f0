import { execFile } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { mayMount } from './may-mount.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const inside = join(import.meta.dirname, 'azure-machine-inside.ts')

/**
 * A virtual machine of Azure, as its programs see it: in its network nothing is reachable but the instance
 * metadata service at its true address, and an HTTPS proxy. Not every SDK lets that address be changed.
 */
export interface AzureMachine {
  /** Runs a program there, with these variables and the proxy's. Resolves to its standard output; rejects with its output when it fails. */
  run(command: readonly string[], env: Record<string, string>): Promise<string>
}

/** Why such a machine cannot be created here; undefined when it can. It needs root or a user namespace. */
export function machineMissing(): string | undefined {
  return mayMount() ? undefined : 'needs root or a user namespace, for a network of its own'
}

/** @param azure the real addresses of proxy and IMDS on this machine. */
export async function createAzureMachine(
  t: TestContext,
  azure: { proxyUrl: string; imds: string },
): Promise<AzureMachine> {
  const directory = temporaryDirectory(t, 'azure-machine-')
  // Unix sockets connect the two network namespaces.
  const proxy = await bridge(t, join(directory, 'proxy.sock'), azure.proxyUrl)
  const imds = await bridge(t, join(directory, 'imds.sock'), azure.imds)
  return {
    run: (command, env) =>
      new Promise((resolve, reject) => {
        const words = ['-rn', process.execPath, inside, proxy, imds, ...command]
        const environment = { PATH: process.env.PATH ?? '', HOME: directory, ...env }
        execFile('unshare', words, { env: environment, timeout: 120_000 }, (error, stdout, stderr) => {
          if (error === null) resolve(stdout)
          else reject(new Error(`${command.join(' ')}: ${error.message}\n${stderr}`))
        })
      }),
  }
}

async function bridge(t: TestContext, path: string, url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    near.pipe(far).pipe(near)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.after(() => server.close())
  return path
}
