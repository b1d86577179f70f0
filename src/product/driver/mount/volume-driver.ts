import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { retry } from '#lib/async'

/**
 * Name of the CSI driver that a mounted volume belongs to, as kubelet keeps it beside the mount point: two drivers on one
 * node find each other's status objects. Undefined where kubelet has written nothing readable there.
 */
export async function volumeDriver(target: string): Promise<string | undefined> {
  const path = join(dirname(target), 'vol_data.json')
  try {
    // kubelet writes the file anew, in place, before each call to a driver: who reads it just then finds it cut off.
    const data = await retry(async (): Promise<unknown> => JSON.parse(await readFile(path, 'utf8')), {
      attempts: 5,
      initialMs: 10,
      shouldRetry: (error) => error instanceof SyntaxError,
    })
    const name = typeof data === 'object' && data !== null && 'driverName' in data ? data.driverName : undefined
    return typeof name === 'string' ? name : undefined
  } catch {
    return undefined
  }
}
