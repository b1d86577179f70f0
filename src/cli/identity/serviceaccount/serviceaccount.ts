import { systemClock } from '#lib'
import { type CliWorld, createTerminal, exitCodes } from '#terminal'
import { type OpenCluster, openCluster } from '../../cluster/open-cluster.ts'
import type { ClusterOption } from '../../options.ts'
import { parseAzureFlags } from '../azure-flags.ts'
import { type AzureSession, openAzure } from '../azure-session.ts'
import { once } from '../once.ts'
import type { AzureFlags } from '../sign-in-options.ts'
import { createApplicationPrincipal } from './application.ts'
import { createPhases } from './create-phases.ts'
import { deletePhases, implied } from './delete-phases.ts'
import { createManagedIdentityPrincipal } from './managed-identity.ts'
import { type PhaseOptions, type PhaseSettings, parsePhaseOptions } from './options.ts'
import type { Phase, PhaseContext } from './phase.ts'
import { phaseScript } from './phase-script.ts'
import type { Principal } from './principal.ts'
import { activePhases, checkPhases, runPhases } from './run-phases.ts'

export interface ServiceAccountCommand {
  verb: 'create' | 'delete'
  options: PhaseOptions
  azureFlags: AzureFlags
  /** Run only this one. */
  phase?: string | undefined
  skipPhases: readonly string[]
  /** Print the commands that would do the same, and do nothing. */
  dryRun: boolean
  cluster: ClusterOption
  world: CliWorld
}

/** `keymount identity serviceaccount create|delete`. Rejects with the first phase's error. */
export async function serviceAccount(command: ServiceAccountCommand): Promise<number> {
  const { world, dryRun, azureFlags } = command
  const settings = parsePhaseOptions(command.options)
  const phases = chosenPhases(command, settings)
  checkPhases(phases, settings)
  if (dryRun) {
    const tenantId = azureFlags.tenantId ?? world.env.AZURE_TENANT_ID
    createTerminal(world).line(phaseScript(phases, { settings, tenantId }))
    return exitCodes.ok
  }
  const clients = lazyClients(command)
  try {
    const context: PhaseContext = {
      settings,
      ...clients,
      principal: once(async () => openPrincipal(await clients.azure(), settings, world)),
      clock: systemClock,
      signal: world.signal,
    }
    await runPhases(phases, context, createTerminal({ ...world, stepsTo: 'stdout', titleWidth: 18 }))
    return exitCodes.ok
  } finally {
    await clients.stop()
  }
}

function chosenPhases({ verb, phase, skipPhases }: ServiceAccountCommand, settings: PhaseSettings): Phase[] {
  const all = verb === 'create' ? createPhases(settings) : deletePhases(settings)
  if (phase !== undefined) return all.filter(({ name }) => name === phase)
  const active = activePhases(all, skipPhases)
  const isImplied = verb === 'delete' && active.some(({ name }) => implied.by.some((by) => by === name))
  return isImplied ? active.filter(({ name }) => name !== implied.phase) : active
}

/** Opened when a phase needs them: a phase in the cluster needs no sign-in to Azure, and vice versa. */
function lazyClients({ azureFlags, cluster, world }: ServiceAccountCommand) {
  let session: Promise<AzureSession> | undefined
  let opened: OpenCluster | undefined
  return {
    azure: () => (session ??= openAzure(parseAzureFlags(azureFlags, world), world)),
    kube() {
      opened ??= openCluster(cluster, world)
      return opened.kube
    },
    async stop() {
      opened?.kube.close()
      const azure = await session?.catch(() => undefined)
      azure?.stop()
    },
  }
}

function openPrincipal(azure: AzureSession, settings: PhaseSettings, { version, signal }: CliWorld): Principal {
  const { graph, resourceManager } = azure
  if (settings.identityType === 'application') {
    return createApplicationPrincipal({ graph, settings, version, clock: systemClock, signal })
  }
  return createManagedIdentityPrincipal({
    resourceManager,
    subscriptionId: azure.subscriptionId(),
    resourceGroup: settings.managedIdentityResourceGroup ?? '',
    name: settings.managedIdentityName ?? '',
    location: settings.managedIdentityLocation,
  })
}
