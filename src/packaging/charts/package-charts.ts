import { join } from 'node:path'
import { parse } from 'yaml'
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

/** Puts all charts together and packages them. */
export async function packageCharts({ directory, defaults }: ChartSourceOptions): Promise<PackagedChart[]> {
  const inner = readChart(join(directory, 'keymount'))
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
