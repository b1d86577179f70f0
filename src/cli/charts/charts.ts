import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { errorCode } from '#lib'
import { createChartRepository, packageCharts, startChartServer } from '#packaging/charts'
import type { CliWorld } from '#terminal'
import { CliError, exitCodes } from '#terminal'

/** Serves the package's charts as a Helm repository on loopback, until the user stops it. */
export async function serveCharts({ port, world }: { port: number; world: CliWorld }): Promise<number> {
  const charts = await packageCharts({ directory: chartsOf(world) })
  const server = await start()
  world.stdout.write(`helm repo add keymount ${server.url}\n`)
  for (const { metadata } of charts) world.stdout.write(`  keymount/${metadata.name} ${metadata.version}\n`)
  await new Promise<void>((stopped) => {
    if (world.signal.aborted) stopped()
    world.signal.addEventListener('abort', () => stopped(), { once: true })
  })
  await server.stop()
  return exitCodes.ok

  async function start() {
    try {
      return await startChartServer(createChartRepository(charts), port)
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE') throw error
      throw new CliError({
        what: `The charts cannot be served on port ${port}`,
        why: 'another program has it',
        fix: ['take another one: keymount charts serve --port PORT; 0 takes a free one'],
      })
    }
  }
}

/** Writes the packages of all charts, as `helm package` would, and prints their paths. */
export async function writeCharts({ destination, world }: { destination: string; world: CliWorld }): Promise<number> {
  const directory = resolve(destination)
  mkdirSync(directory, { recursive: true })
  for (const { fileName, bytes } of await packageCharts({ directory: chartsOf(world) })) {
    writeFileSync(join(directory, fileName), bytes)
    world.stdout.write(`${join(directory, fileName)}\n`)
  }
  return exitCodes.ok
}

function chartsOf({ packageRoot }: CliWorld): string {
  return join(packageRoot, 'charts')
}
