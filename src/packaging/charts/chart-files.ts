import { createHash } from 'node:crypto'
import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { tarStream } from '#lib/formats'

/** The files of one chart: path below the chart's directory → text. */
export type ChartFiles = ReadonlyMap<string, string>

/** Reads a chart's directory. */
export function readChart(directory: string): Map<string, string> {
  const paths = globSync('**/*', { cwd: directory }).filter((path) => statSync(join(directory, path)).isFile())
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(directory, path), 'utf8')]))
}

/** What `helm package` makes: everything below a directory with the chart's name. The same files give the same bytes. */
export async function packFiles(name: string, files: ChartFiles): Promise<{ bytes: Buffer; sha256: string }> {
  const entries = [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, text]) => {
      const content = Buffer.from(text)
      return { type: 'file' as const, path: `${name}/${path}`, mode: 0o644, size: content.length, content: [content] }
    })
  const blocks: Uint8Array[] = []
  for await (const block of tarStream(entries)) blocks.push(block)
  const bytes = gzipSync(Buffer.concat(blocks), { level: 9 })
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
}
