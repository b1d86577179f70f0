import { spawn } from 'node:child_process'
import { CliError, type CliWorld, createTerminal, exitCodes } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import { askIssuer } from '../identity/cluster-issuer.ts'
import type { ClusterOption } from '../options.ts'
import { azScript } from './az-script.ts'
import { bicepTemplate } from './bicep-template.ts'
import { planSetup, type SetupOptions, type SetupPlan } from './setup-plan.ts'
import { terraformConfig } from './terraform-config.ts'

export const formats = ['az', 'bicep', 'terraform'] as const

export interface SetupCommand {
  options: SetupOptions
  format: (typeof formats)[number]
  apply: boolean
  /** Undefined: as the cluster names it. */
  issuer: string | undefined
  cluster: ClusterOption
  world: CliWorld
}

const printers: Readonly<Record<SetupCommand['format'], (plan: SetupPlan) => string>> = {
  az: azScript,
  bicep: bicepTemplate,
  terraform: terraformConfig,
}

/** `keymount events setup`: prints what brings the events of vaults to the cluster, or does it with az. */
export async function setup(command: SetupCommand): Promise<number> {
  const { options, format, apply, world } = command
  if (apply && format !== 'az') {
    const fix = [
      `Deploy the printed ${format} text with its own tool.`,
      'Or leave --format out: --apply runs the commands of az.',
    ]
    throw new CliError({ what: `--apply and --format ${format} cannot be used together`, fix, code: 'usage' })
  }
  const plan = planSetup(options, command.issuer ?? (await issuerOfCluster(command)))
  const text = printers[format](plan)
  if (apply) return runScript(text, world)
  const { line } = createTerminal(world)
  line(text.trimEnd())
  return exitCodes.ok
}

async function issuerOfCluster({ cluster, world }: SetupCommand): Promise<string> {
  const answer = await withCluster(cluster, world, ({ kube }) => askIssuer((path) => kube.raw({ method: 'GET', path })))
  if ('value' in answer) return answer.value
  const fix = [
    'Name it with --issuer.',
    'AKS: az aks show --name CLUSTER --resource-group GROUP --query oidcIssuerProfile.issuerUrl',
  ]
  throw new CliError({
    what: 'the issuer of the cluster’s service account tokens is not known',
    why: answer.why,
    fix,
    code: 'failed',
  })
}

/** Runs the script with the az of the user, who sees what it prints. */
function runScript(script: string, { env, signal }: CliWorld): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', script], { env, stdio: ['ignore', 'inherit', 'inherit'], signal })
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? exitCodes.failed))
  })
}
