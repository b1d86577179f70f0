import { join } from 'node:path'
import { parse, parseDocument } from 'yaml'
import { packFiles, readChart } from './chart-files.ts'
import { type ChartMetadata, type ComposedChart, composeChart } from './compose-chart.ts'

/** A chart as `helm package` would have made it. */
export interface PackagedChart {
  metadata: ChartMetadata
  /** `NAME-VERSION.tgz`. */
  fileName: string
  bytes: Buffer
  sha256: string
}

export interface ChartSourceOptions {
  /** The package's `charts`. */
  directory: string
  /** Template text that gives the thin charts the defaults of charts/keymount, as YAML. Default: its values.yaml. */
  defaults?: string
  /** The image that the charts install. Default: that of values.yaml, with the chart's version as tag. */
  image?: ChartImage | undefined
}

export interface ChartImage {
  /** `REGISTRY/NAME`. */
  repository: string
  tag: string
  /** `sha256:…`. */
  digest: string
}

/** Charts that carry charts/keymount inside, and are named as upstream's. */
const thinCharts = [
  'csi-secrets-store-provider-azure',
  'workload-identity-webhook',
  'secrets-store-sync-controller',
  'aad-pod-identity',
] as const

/** Every chart that there is, by the name that people type. */
export const chartNames = ['keymount', ...thinCharts] as const

const valuesFile = 'values.yaml'

/** The values with this image, and with their comments. */
function valuesWithImage(text: string, image: ChartImage): string {
  const values = parseDocument(text)
  for (const [name, value] of Object.entries(image)) values.setIn(['linux', 'image', name], value)
  return values.toString({ lineWidth: 0 })
}

/** Puts all charts together and packages them. */
export async function packageCharts({ directory, defaults, image }: ChartSourceOptions): Promise<PackagedChart[]> {
  const inner = readChart(join(directory, 'keymount'))
  if (image !== undefined) inner.set(valuesFile, valuesWithImage(inner.get(valuesFile) ?? '', image))
  const innerMetadata = metadataOf(inner)
  const whole: ComposedChart = { metadata: innerMetadata, files: inner }
  const thin = thinCharts.map((name) => {
    const outer = readChart(join(directory, name))
    return composeChart({ outer, metadata: metadataOf(outer), inner, innerMetadata, defaults })
  })
  return Promise.all([whole, ...thin].map(packageChart))
}

async function packageChart({ metadata, files }: ComposedChart): Promise<PackagedChart> {
  const { bytes, sha256 } = await packFiles(metadata.name, files)
  return { metadata, fileName: `${metadata.name}-${metadata.version}.tgz`, bytes, sha256 }
}

function metadataOf(files: ReadonlyMap<string, string>): ChartMetadata {
  return parse(files.get('Chart.yaml') ?? '') as ChartMetadata
}
