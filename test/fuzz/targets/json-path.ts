import { parseJsonPath } from '#lib/formats'
import { jsonExtractor } from '../../../src/product/provider/extract-json.ts'
import { refuses } from '../expected-error.ts'

/** A path of a class, then a zero byte, then the JSON text of a secret. */
export function fuzz(data: Buffer): void {
  const at = data.indexOf(0)
  const [path, json] = at < 0 ? [data, data] : [data.subarray(0, at), data.subarray(at + 1)]
  const steps = parseJsonPath(path.toString('utf8'))
  if (steps !== undefined) refuses(() => jsonExtractor(json.toString('utf8'))(steps), isNotJson)
}

/** The caller gives it its code. */
function isNotJson(error: unknown): boolean {
  return error instanceof Error && error.message === 'the value is not JSON'
}
