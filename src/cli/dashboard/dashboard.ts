import { createKubeClient } from '#kubernetes/client'
import { readKubeconfig } from '#lab/home'
import { ListenError } from '#lib/http'
import { CliError, type CliWorld, createTerminal, exitCodes } from '#terminal'
import { chosenKubeconfig } from '../cluster/chosen-kubeconfig.ts'
import { parseAzureFlags } from '../identity/azure-flags.ts'
import { openAzure } from '../identity/azure-session.ts'
import { gatherInstallation } from '../identity/doctor/cluster-facts.ts'
import { chartInstallCommand } from '../identity/doctor/installation.ts'
import type { SignInOptions } from '../identity/sign-in-options.ts'
import { followObjects } from '../status/follow-objects.ts'
import { viewNames } from '../status/views.ts'
import { readNodeRates } from './node-metrics.ts'
import { createPulse } from './pulse.ts'
import { releaseMemory } from './release-memory.ts'
import { createRights } from './rights.ts'
import { createRowBoard } from './row-board.ts'
import { serveDashboard } from './serve-dashboard.ts'
import { watchVaults } from './vault-metadata.ts'

export interface DashboardOptions extends SignInOptions {
  namespace?: string
  port: number
  azure?: boolean
  readOnly?: boolean
  json?: boolean
}

/** `keymount dashboard`: serves the page until the user stops it. */
export async function dashboard(options: DashboardOptions, world: CliWorld): Promise<number> {
  const terminal = createTerminal(world)
  await using running = await startDashboard(options, world)
  const { url, server } = running
  if (options.json === true) terminal.line(JSON.stringify({ url }))
  else {
    terminal.line(`Dashboard of ${server}${options.readOnly === true ? ', read-only' : ''}`)
    terminal.line(`\n  ${terminal.style.command(url)}\n`)
    const acts = options.readOnly === true ? '' : ' and acts with your rights'
    terminal.line(`Anyone who opens this address sees what you can see${acts}. Ctrl-C stops it.`)
  }
  if (!world.signal.aborted) {
    await new Promise<void>((resolve) => world.signal.addEventListener('abort', () => resolve(), { once: true }))
  }
  return exitCodes.ok
}

export interface RunningDashboard extends AsyncDisposable {
  url: string
  server: string
  /** Resolves when every source was read once. */
  ready: Promise<void>
}

async function startDashboard(options: DashboardOptions, world: CliWorld): Promise<RunningDashboard> {
  await using started = new AsyncDisposableStack()
  const memory = releaseMemory()
  started.defer(() => memory.stop())
  const kubeconfig = chosenKubeconfig(options, world)
  const config = readKubeconfig(kubeconfig, world.env)
  const kube = createKubeClient(config, { userAgent: 'keymount-dashboard' })
  started.defer(() => kube.close())
  const { installation } = await gatherInstallation(kube)
  const followed = followObjects(kube, { namespace: options.namespace, views: viewNames })
  started.defer(() => followed.stop())
  const vaults = options.azure === true ? watchVaults(await azureOf(options, world, started), followed) : undefined
  if (vaults !== undefined) started.defer(() => vaults.stop())
  const board = createRowBoard({
    followed,
    installCommand: chartInstallCommand(installation, world.packageRoot),
    nowMs: () => Date.now() + (kube.clockOffsetMs() ?? 0),
    vaults: () => vaults?.known() ?? new Map(),
  })
  started.defer(() => board.stop())
  const pulse = createPulse(kube, world.signal)
  const served = await serveDashboard(
    {
      stream: {
        board,
        silentMs: followed.silentMs,
        unreachable: () => pulse.problem(),
        missing: () => followed.missing,
        missingFor: followed.missingFor,
      },
      info: {
        server: kube.server,
        namespace: options.namespace ?? null,
        isReadOnly: options.readOnly === true,
        hasAzure: options.azure === true,
        version: world.version,
      },
      rights: createRights(kube),
      async rotate(ref, signal) {
        const { rotateNow } = await import('./actions.ts')
        return rotateNow(kube, ref, signal)
      },
      async doctor(asked, signal) {
        const { runDoctorNow } = await import('./actions.ts')
        return runDoctorNow({ kube, packageRoot: world.packageRoot, kubeconfig }, asked, signal)
      },
      rates: (node, signal) => {
        const pods = [...followed.objects.productPods.values()].filter(({ spec }) => spec.nodeName === node)
        return readNodeRates(kube, pods, signal)
      },
    },
    options.port,
  ).catch(portProblem)
  started.defer(() => served.stop())
  const all = started.move()
  return {
    url: served.url,
    server: kube.server,
    ready: followed.ready,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** Throws {@link CliError} when the port cannot be used. */
function portProblem(error: unknown): never {
  if (!(error instanceof ListenError)) throw error
  throw new CliError({
    what: error.message,
    fix: ['choose another port: --port PORT', 'or any free one: --port 0'],
    code: 'usage',
    cause: error,
  })
}

async function azureOf(options: DashboardOptions, world: CliWorld, started: AsyncDisposableStack) {
  const azure = await openAzure(parseAzureFlags(options, world, { needsSubscription: false }), world, {
    timeoutMs: 10_000,
  })
  started.defer(() => azure.stop())
  return azure
}
