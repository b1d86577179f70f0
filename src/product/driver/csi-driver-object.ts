import { csiDriverAnnotations, resources } from '#kubernetes/client'
import { errorMessage, type Running, repeat } from '#lib'
import { parseDuration } from '#lib/formats'
import type { Node } from './node.ts'
import { isRenewed, seeConfirmation } from './rotation/quiet-polling.ts'

/** How often the status object of a volume for which nothing has changed is written, unless the operator asks for less. */
export const defaultStatusIntervalMs = 300_000

/** The operator's annotation may be another's work: status objects stay useful. */
const maxStatusIntervalMs = 24 * 3_600_000

const readEveryMs = 600_000
/** While events are confirmed, which is trusted for a few minutes. */
const readConfirmationEveryMs = 120_000
const timeoutMs = 10_000

/** Reads what the operator writes to the CSIDriver object, now and every ten minutes; every two while it confirms events. */
export function followCsiDriver(node: Node): Running {
  return repeat(async (signal) => {
    await readObject(node, signal)
    return isRenewed(node) ? readConfirmationEveryMs : readEveryMs
  }, node)
}

/** What cannot be read leaves everything as it is. Never rejects. */
async function readObject(node: Node, signal: AbortSignal): Promise<void> {
  const { kube, config, log } = node
  try {
    const { metadata } = await kube.get(resources.csiDrivers, { name: config.driverName }, { signal, timeoutMs })
    const { statusInterval, eventsConfirmed } = csiDriverAnnotations
    const asked = parseDuration(metadata.annotations?.[statusInterval] ?? '')
    node.statusIntervalMs = Math.min(Math.max(asked ?? 0, defaultStatusIntervalMs), maxStatusIntervalMs)
    seeConfirmation(node, metadata.annotations?.[eventsConfirmed], signal)
  } catch (error) {
    log.debug(`the CSIDriver object cannot be read: ${errorMessage(error)}`)
  }
}
