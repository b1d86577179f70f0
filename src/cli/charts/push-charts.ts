import { type ChartImage, packageCharts } from '#packaging/charts'
import { chartArtifact, digestOf, parseReference, parseRepository, pushArtifact } from '#packaging/registry'
import { type CliWorld, createTerminal, exitCodes } from '#terminal'
import type { AzureFlags } from '../identity/sign-in-options.ts'
import { type RegistryTarget, withRegistry } from '../image/open-registry.ts'
import { chartsOf } from './charts.ts'

export interface PushChartsCommand {
  /** `REGISTRY/PATH`, with or without `oci://`. */
  repository: string
  /** `REGISTRY/NAME:TAG`. Default: the image of the release. */
  image: string | undefined
  plainHttp: boolean
  json: boolean
  signIn: AzureFlags
  world: CliWorld
}

interface PushedChart {
  /** What helm takes. */
  url: string
  version: string
  digest: string
}

/** `keymount charts push`: pushes every chart and prints where it is, with its digest. */
export async function pushCharts(command: PushChartsCommand): Promise<number> {
  const { json, world } = command
  const { registry, repository } = parseRepository(command.repository)
  const image = command.image === undefined ? undefined : await findImage(command.image, command)
  const terminal = createTerminal({ ...world, titleWidth: 34 })
  const pushed: PushedChart[] = []
  for (const chart of await packageCharts({ directory: chartsOf(world), image })) {
    const { name, version } = chart.metadata
    const artifact = chartArtifact(chart)
    const at = { registry, repository: `${repository}/${name}` }
    const push = () =>
      withRegistry({ ...command, at }, (client) => pushArtifact(client, artifact, { signal: world.signal }))
    await terminal.step(name, push, () => version)
    pushed.push({ url: `oci://${registry}/${at.repository}`, version, digest: artifact.digest })
  }
  if (json) terminal.line(JSON.stringify({ image, charts: pushed }, null, 2))
  else for (const { url, version, digest } of pushed) terminal.line(`${url} ${version} ${digest}`)
  return exitCodes.ok
}

async function findImage(text: string, command: Omit<RegistryTarget, 'at'>): Promise<ChartImage> {
  const { registry, repository, tag } = parseReference(text)
  const digest = await withRegistry({ ...command, at: { registry, repository } }, (client) => digestOf(client, tag))
  return { repository: `${registry}/${repository}`, tag, digest }
}
