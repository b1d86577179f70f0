/** What Azure assigns identities to: a virtual machine, or a scale set as a whole. */
export interface Machine {
  kind: 'vm' | 'vmss'
  /** Resource Manager's id. */
  id: string
}

/** Where machines are whose nodes have no provider id. */
export interface MachinePlace {
  subscriptionId: string
  resourceGroup: string
}

/** `virtualMachines` or `virtualMachineScaleSets`, with what precedes it. */
const compute =
  /^azure:\/\/(\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Compute\/(virtualMachineScaleSets|virtualMachines)\/[^/]+)(?:\/virtualMachines\/[^/]+)?$/i

/**
 * The machine behind a node. All nodes of a scale set are one machine: identities are assigned to the set, never to an
 * instance. Subscription and group are those of the provider id, so that two sets of one name are two. Throws for a
 * provider id of another cloud.
 */
export function machineOf({ name, providerId }: { name: string; providerId: string }, place: MachinePlace): Machine {
  if (providerId === '') {
    const group = `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}`
    return { kind: 'vm', id: `${group}/providers/Microsoft.Compute/virtualMachines/${name}` }
  }
  const [, id, type] = compute.exec(providerId) ?? []
  if (id === undefined || type === undefined) {
    throw new Error(
      `node ${name}: found spec.providerID "${providerId}", expected azure:///subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Compute/virtualMachineScaleSets/NAME/virtualMachines/N`,
    )
  }
  return { kind: type.toLowerCase() === 'virtualmachines' ? 'vm' : 'vmss', id }
}

/** Distinguishes a machine from others. */
export function machineKey({ id }: Machine): string {
  return id.toLowerCase()
}
