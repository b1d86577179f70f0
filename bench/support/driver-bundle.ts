import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buildBundles, nodeFlags } from '#packaging/image'

/** The driver as the image runs it. */
export const bundledDriver = () => bundled('driver')

/** A daemon as the image runs it: bundled, with its compiled code. `command` starts it; flags follow. */
export async function bundled(daemon: 'driver' | 'sync'): Promise<{ command: string[]; remove(): void }> {
  const out = mkdtempSync(join(tmpdir(), 'keymount-bundle-'))
  await buildBundles({ root: resolve(import.meta.dirname, '../..'), out, node: process.execPath })
  return {
    command: [process.execPath, ...nodeFlags, join(out, 'start.cjs'), daemon],
    remove: () => rmSync(out, { recursive: true, force: true }),
  }
}
