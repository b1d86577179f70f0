import type { AzureService } from '#azure/rest'
import { HttpFault } from '#lib/http'
import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

/** Virtual machines in Resource Manager, with the identities that they have. */
export interface SimulatedMachines {
  /** Resource Manager's id of a node's machine. */
  idOf(node: string): string
  /** Ids of the identities that a node's machine has, in lower case and order. */
  identitiesOf(node: string): string[]
  everHad(node: string, id: string): boolean
  /** Resource Manager, as one process reaches it. */
  serviceFor(process: SimulatedProcess): AzureService
}

interface Machine {
  now: Set<string>
  ever: Set<string>
}

export function createMachines(world: World, nodes: readonly string[]): SimulatedMachines {
  const idOf = (node: string) => `/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/${node}`
  const machines = new Map<string, Machine>(
    nodes.map((node) => [idOf(node).toLowerCase(), { now: new Set(), ever: new Set() }]),
  )
  const machineOf = (path: string): Machine => {
    const machine = machines.get(path.toLowerCase())
    if (machine === undefined) throw new Error(`no machine ${path}`)
    return machine
  }
  const get = (path: string) => ({
    identity: {
      type: 'UserAssigned',
      userAssignedIdentities: Object.fromEntries([...machineOf(path).now].map((id) => [id, {}])),
    },
    properties: { provisioningState: 'Succeeded' },
  })
  const patch = (path: string, body: unknown) => {
    const { now, ever } = machineOf(path)
    const { identity } = body as { identity: { userAssignedIdentities: Record<string, object | null> } }
    for (const [id, value] of Object.entries(identity.userAssignedIdentities)) {
      if (value === null) now.delete(id.toLowerCase())
      else {
        now.add(id.toLowerCase())
        ever.add(id.toLowerCase())
      }
    }
    world.count('machine update')
    world.note(
      `${path.split('/').at(-1)} has ${[...now].map((id) => id.split('/').at(-1)).join(', ') || 'no identity'}`,
    )
  }
  return {
    idOf,
    identitiesOf: (node) => [...machineOf(idOf(node)).now].toSorted(),
    everHad: (node, id) => machineOf(idOf(node)).ever.has(id.toLowerCase()),
    serviceFor: (process) =>
      ({
        find: (path: string) => call(world, process, async () => get(path)),
        patch: (path: string, body: unknown) => call(world, process, async () => patch(path, body)),
      }) as unknown as AzureService,
  }
}

/** A call takes seconds, and may fail before or after it had its effect. */
async function call<T>(world: World, process: SimulatedProcess, run: () => Promise<T>): Promise<T> {
  const { random, stormy } = world
  const fate = stormy && random.chance(0.1) ? random.pick(['before', 'after']) : undefined
  const fail = () => {
    world.count('Resource Manager fails')
    return Promise.reject(new HttpFault('connection', 'management.azure.com', 'the connection failed'))
  }
  const latency = random.between(100, stormy ? 8000 : 2000)
  return process.effect('a call of Resource Manager', latency, async () => {
    if (fate === 'before') return fail()
    const result = await run()
    return fate === 'after' ? fail() : result
  })
}
