import { basename, join } from 'node:path'
import type { LintFile } from '#azure/lint'
import { type ProgramResult, runProgram } from '#lib'
import { CliError } from '#terminal'
import type { InputOptions } from './lint-options.ts'

const maxOutputBytes = 64 * 1024 * 1024

/** Ends the name of a file whose lines are those of the rendered text, not of the file. */
export const renderedSuffix = ' (rendered)'

type Context = Pick<InputOptions, 'values' | 'world' | 'kubernetes'>

/** The manifests of a chart, one file per template. */
export async function renderChart(directory: string, { values, world, kubernetes }: Context): Promise<LintFile[]> {
  const { major, minor } = kubernetes
  const args = ['template', 'release', asPath(directory), '--kube-version', `${major}.${minor}.0`]
  args.push('--include-crds=false', ...values.flatMap((file) => ['--values', file]))
  const result = await run('helm', args, world)
  if (result === undefined || result.status === undefined)
    throw missing('helm', `The chart ${directory} cannot be rendered`, 'https://helm.sh/docs/intro/install/')
  if (result.status !== 0) throw failed(`helm template ${directory}`, result)
  return bySource(result.stdout, directory)
}

/** `# Source: CHART/templates/class.yaml` begins what comes of a template. */
function bySource(output: string, directory: string): LintFile[] {
  const files = new Map<string, string>()
  let name = directory
  for (const part of output.split(/^---\n/m)) {
    const source = /^# Source: [^/\n]+\/(\S+)/.exec(part)?.[1]
    if (source !== undefined) name = join(directory, source)
    files.set(name, `${files.get(name) ?? ''}---\n${part}`)
  }
  return [...files].map(([file, text]) => ({ name: `${file}${renderedSuffix}`, text }))
}

/** The manifests of a kustomization. */
export async function renderKustomization(directory: string, { world }: Context): Promise<LintFile> {
  for (const [program, verb] of [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ] as const) {
    const result = await run(program, [verb, asPath(directory)], world)
    if (result?.status === undefined) continue
    if (result.status !== 0) throw failed(`${program} ${verb} ${directory}`, result)
    return { name: `${directory}${renderedSuffix}`, text: result.stdout }
  }
  const what = `The kustomization ${basename(directory)} cannot be rendered`
  throw missing('kubectl', what, 'https://kubernetes.io/docs/tasks/tools/')
}

/** A directory of the input may have a name that is an option, such as `--post-renderer=sh`, which runs a program. */
function asPath(directory: string): string {
  return directory.startsWith('-') ? `./${directory}` : directory
}

function run(program: string, args: readonly string[], { env, signal }: InputOptions['world']): Promise<ProgramResult> {
  const own = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  return runProgram({ program, args, env: own, signal, deadlineMs: 60_000, maxOutputBytes })
}

function missing(program: string, what: string, link: string): CliError {
  return new CliError({ what, why: `${program} is not on the PATH`, fix: [`install it: ${link}`], code: 'usage' })
}

function failed(what: string, { stderr }: ProgramResult): CliError {
  return new CliError({ what: `${what} failed`, detail: stderr.slice(0, 4000).trim(), code: 'usage' })
}
