import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { retry } from '#lib/async'
import { JsonError, parseJson, stringOf, valueAt } from '#lib/formats'

/**
 * Name of the CSI driver that a mounted volume belongs to, as kubelet records it next to the mount point: two drivers on
 * one node find each other's status objects. Undefined where kubelet has written nothing readable.
 */
export async function volumeDriver(target: string): Promise<string | undefined> {
  const path = join(dirname(target), 'vol_data.json')
  try {
    // kubelet rewrites the file in place before each call to a driver: a read at that moment finds it cut off.
    const data = await retry(async () => parseJson(path, await readFile(path, 'utf8'), { maxLength: 65_536 }), {
      attempts: 5,
      initialMs: 10,
      shouldRetry: (error) => error instanceof JsonError,
    })
    return stringOf(valueAt(data, 'driverName'))
  } catch {
    return undefined
  }
}
