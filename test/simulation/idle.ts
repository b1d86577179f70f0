import { webcrypto } from 'node:crypto'

/** Real work that the code under test may have begun: it ends before simulated time goes on. */
const slowWork = new Set([
  'FSReqPromise',
  'FSReqCallback',
  'CloseReq',
  'KeyPairGenRequest',
  'SignRequest',
  'VerifyRequest',
])

let cryptoCalls = 0

/** Lets promises, and real work of the file system and of WebCrypto, come to rest. */
export async function untilIdle(): Promise<void> {
  do {
    await new Promise((resolve) => setImmediate(resolve))
  } while (cryptoCalls > 0 || process.getActiveResourcesInfo().some((name) => slowWork.has(name)))
}

/** Node does not list calls of WebCrypto in progress. */
export function countCryptoCalls(): () => void {
  const prototype = Object.getPrototypeOf(webcrypto.subtle) as Record<string, (...args: unknown[]) => Promise<unknown>>
  const originals = new Map<string, (...args: unknown[]) => Promise<unknown>>()
  for (const name of ['generateKey', 'importKey', 'exportKey', 'sign', 'verify', 'digest']) {
    const original = prototype[name]
    if (original === undefined) continue
    originals.set(name, original)
    prototype[name] = function (this: unknown, ...args) {
      cryptoCalls++
      return original.apply(this, args).finally(() => cryptoCalls--)
    }
  }
  return () => {
    for (const [name, original] of originals) prototype[name] = original
  }
}
