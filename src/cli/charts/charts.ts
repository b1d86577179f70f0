import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { errorCode } from '#lib'
import { makeDirectories } from '#lib/files'
import { createChartRepository, packageCharts, startChartServer } from '#packaging/charts'
import { CliError, type CliWorld, exitCodes } from '#terminal'

/** `keymount charts serve`: serves the package's charts as a Helm repository on loopback, until the user interrupts it. */
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
        why: 'another program is listening there',
        fix: ['use another one, or 0 for any free one: keymount charts serve --port 0'],
      })
    }
  }
}

/** `keymount charts package`: writes the packages of all charts, as `helm package` would, and prints their paths. */
export async function writeCharts({ destination, world }: { destination: string; world: CliWorld }): Promise<number> {
  const directory = resolve(destination)
  makeDirectories(directory)
  for (const { fileName, bytes } of await packageCharts({ directory: chartsOf(world) })) {
    writeFileSync(join(directory, fileName), bytes)
    world.stdout.write(`${join(directory, fileName)}\n`)
  }
  return exitCodes.ok
}

/** Directory of the charts' sources. */
export function chartsOf({ packageRoot }: CliWorld): string {
  return join(packageRoot, 'charts')
}
