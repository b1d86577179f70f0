import { join } from 'node:path'
import { type CliWorld, createTerminal, exitCodes, oneLine } from '#terminal'
import { writeDirectory } from '../../manifests/write-directory.ts'
import { parseAzureFlags } from '../azure-flags.ts'
import { openAzure } from '../azure-session.ts'
import type { AzureFlags } from '../sign-in-options.ts'
import { azScript } from './az-script.ts'
import { azureNames, templateLimits } from './azure-names.ts'
import { type AzureFacts, askAzure } from './azure-there.ts'
import { bicepFiles } from './bicep-files.ts'
import type { FleetCluster, IdentityPlan, PlanOptions } from './identity-plan.ts'
import { makePlan } from './make-plan.ts'
import { manifestFiles } from './manifests.ts'
import { isDone, printPlan } from './print-plan.ts'
import { type FleetOptions, readFleet } from './read-fleet.ts'
import { terraformFiles } from './terraform-files.ts'

export type PlanFormat = 'table' | 'az' | 'bicep' | 'terraform' | 'json'

export interface PlanRequest {
  fleet: FleetOptions
  options: PlanOptions
  /** Undefined: Azure is not asked. */
  azureFlags: AzureFlags | undefined
  format: PlanFormat
  outputDir: string | undefined
  world: CliWorld
}

/** `keymount identity plan`. */
export async function plan(request: PlanRequest): Promise<number> {
  const { format, options, world, outputDir } = request
  const terminal = createTerminal(world)
  const read = await readFleet(request.fleet)
  const facts = request.azureFlags && (await askedAzure(request.azureFlags, read.clusters, world))
  const fleet = facts === undefined ? read.clusters : read.clusters.map(facts.withAks)
  const plans = makePlan(fleet, { ...options, there: facts })
  const problems = [...read.problems, ...(facts?.missing ?? [])]
  const planned: Planned = { plans, fleet, facts, problems }
  const isNothing = plans.every(isDone)
  if (format === 'json') terminal.line(JSON.stringify(asJson(planned), undefined, 2))
  else if (format === 'table') {
    printPlan(plans, terminal)
    if (isNothing) terminal.line(nothingToDo(planned))
  } else if (isNothing) terminal.line(`${comments[format]} ${nothingToDo(planned)}`)
  else {
    printFiles(filesOf(planned, format), outputDir, terminal.line)
    if (format !== 'az') for (const text of templateLimits(plans, facts)) terminal.error(`note: ${text}`)
  }
  for (const text of [...new Set(plans.flatMap(({ warnings }) => warnings))]) terminal.error(`note: ${text}`)
  for (const text of problems) terminal.error(`not planned: ${oneLine(text)}`)
  if (plans.length === 0 && problems.length === 0)
    terminal.error('no pod or SecretSync of the input signs in by a token of its service account')
  return problems.length === 0 ? exitCodes.ok : exitCodes.failed
}

export interface Planned {
  plans: readonly IdentityPlan[]
  fleet: readonly FleetCluster[]
  /** Undefined when Azure was not asked. */
  facts: AzureFacts | undefined
  problems: readonly string[]
}

async function askedAzure(flags: AzureFlags, fleet: readonly FleetCluster[], world: CliWorld): Promise<AzureFacts> {
  const azure = await openAzure(parseAzureFlags(flags, world), world)
  try {
    return await askAzure(azure, fleet)
  } finally {
    azure.stop()
  }
}

function nothingToDo({ plans, problems }: Planned): string {
  if (problems.length === 0) return 'nothing to do'
  return plans.length === 0 ? 'nothing could be planned' : 'nothing to do for what could be planned'
}

const comments = { az: '#', bicep: '//', terraform: '#' } as const

/** By name. The first one is the program. */
function filesOf({ plans, fleet, facts }: Planned, format: 'az' | 'bicep' | 'terraform'): Map<string, string> {
  const left = plans.filter((one) => !isDone(one))
  if (format === 'az') return new Map([['identity.sh', azScript(left, fleet)]])
  const names = azureNames(left, facts)
  const templates = format === 'bicep' ? bicepFiles(left, names) : terraformFiles(left, names)
  return new Map([...templates, ...manifestFiles(left)])
}

function printFiles(
  files: ReadonlyMap<string, string>,
  directory: string | undefined,
  line: (text: string) => void,
): void {
  if (directory !== undefined) {
    const named = [...files].map(([path, text]) => ({ path, text }))
    writeDirectory(directory, '--output-dir', named)
    for (const { path } of named) line(join(directory, path))
    return
  }
  for (const [name, text] of files) {
    if (files.size > 1) line(`${name.includes('.bicep') ? '//' : '#'} file: ${name}`)
    line(text.trimEnd())
  }
}

function asJson({ plans, problems }: Planned) {
  return { version: 1, done: plans.every(isDone), identities: plans, problems }
}
