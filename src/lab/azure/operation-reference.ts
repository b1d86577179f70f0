import { join } from 'node:path'
import { silentLog, systemClock } from '#lib'
import { createServices } from './create-services.ts'
import { createEventFeed } from './events/event-feed.ts'
import { knownGaps } from './http/known-gaps.ts'
import type { OperationRow } from './http/service.ts'
import { openRecordStore } from './records/record-store.ts'

/** The operations of one emulated service, in the order of its table. */
export interface ServiceReference {
  implemented: readonly OperationRow[]
  /** Operations of Azure that are refused by name. */
  notImplemented: readonly OperationRow[]
}

/** Every operation of the local Azure, from the tables that its services run on. @param stateDir an empty directory. */
export async function describeOperations(
  stateDir: string,
): Promise<Readonly<Record<keyof typeof knownGaps, ServiceReference>>> {
  const store = openRecordStore(join(stateDir, 'state.jsonl'))
  const { services, imds, stop } = await createServices({
    store,
    issuerCaFiles: [],
    listenImds: () => Promise.reject(new Error('the reference has no servers')),
    feed: createEventFeed(),
    clock: systemClock,
    log: silentLog,
  })
  await stop()
  store.close()
  const reference = (name: keyof typeof knownGaps, { operations }: { operations: readonly OperationRow[] }) => ({
    implemented: operations,
    notImplemented: knownGaps[name],
  })
  return {
    entra: reference('entra', services.entra),
    arm: reference('arm', services.arm),
    graph: reference('graph', services.graph),
    keyvault: reference('keyvault', services.keyvault),
    queue: reference('queue', services.queue),
    eventgrid: reference('eventgrid', services.eventgrid),
    imds: reference('imds', imds),
  }
}
