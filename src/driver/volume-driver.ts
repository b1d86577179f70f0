import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Name of the CSI driver that a mounted volume belongs to, as kubelet keeps it beside the mount point: two drivers on one
 * node find each other's status objects. Undefined where kubelet has written nothing readable there.
 */
export async function volumeDriver(target: string): Promise<string | undefined> {
  try {
    const data: unknown = JSON.parse(await readFile(join(dirname(target), 'vol_data.json'), 'utf8'))
    const name = typeof data === 'object' && data !== null && 'driverName' in data ? data.driverName : undefined
    return typeof name === 'string' ? name : undefined
  } catch {
    return undefined
  }
}
