import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buildBundles, nodeFlags } from '#packaging/image'

/** The driver as the image runs it: bundled, with its compiled code. `command` starts it; flags follow. */
export async function bundledDriver(): Promise<{ command: string[]; remove(): void }> {
  const out = mkdtempSync(join(tmpdir(), 'keymount-bundle-'))
  await buildBundles({ root: resolve(import.meta.dirname, '../..'), out, node: process.execPath })
  return {
    command: [process.execPath, ...nodeFlags, join(out, 'start.cjs'), 'driver'],
    remove: () => rmSync(out, { recursive: true, force: true }),
  }
}
