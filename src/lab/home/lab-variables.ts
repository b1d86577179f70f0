import { existsSync } from 'node:fs'
import { loadKubeconfig } from '#kubernetes/client'
import type { CliWorld } from '#terminal'
import { CliError, exitCodes } from '#terminal'
import { writeAzProfile } from './azure/az-profile.ts'
import { readCredentials } from './azure/lab-azure.ts'
import { findLocalAzure } from './processes/lab-programs.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

export interface EnvCommand {
  home: LabHome
  format: 'sh' | 'fish' | 'json'
  world: CliWorld
}

/** Prints the variables of a lab that is up, and leaves `az` signed in there. */
export function env({ home, format, world }: EnvCommand): void {
  const variables = labVariables(home)
  const azure = findLocalAzure(home)
  if (azure !== undefined) writeAzProfile(home.azureCli, readCredentials(azure.credentials))
  world.stdout.write(`${render(variables, format)}\n`)
}

/** The variables that point kubectl, az and the SDKs at the lab. Throws {@link CliError} when it is not up. */
export function labVariables(home: LabHome): Record<string, string> {
  const state = readLabState(home)
  const azure = findLocalAzure(home)
  const kubeconfig = kubeconfigOf(home, state)
  if (state === undefined || kubeconfig === undefined || (azure === undefined && state.azure === 'local')) {
    throw new CliError({
      what: `The lab in ${home.root} is not up`,
      fix: ['start it: keymount up'],
      exitCode: exitCodes.notUp,
    })
  }
  if (azure === undefined) return { KUBECONFIG: kubeconfig }
  return {
    KUBECONFIG: kubeconfig,
    HTTPS_PROXY: azure.proxy,
    // kubectl honours HTTPS_PROXY too, and the proxy serves Azure's hosts only.
    NO_PROXY: ['127.0.0.1', 'localhost', ...apiServerHost(kubeconfig)].join(','),
    REQUESTS_CA_BUNDLE: home.caBundle,
    SSL_CERT_FILE: home.caBundle,
    NODE_EXTRA_CA_CERTS: azure.ca,
    AZURE_CONFIG_DIR: home.azureCli,
  }
}

/** Undefined in a home that was never up. */
function kubeconfigOf(home: LabHome, state: LabState | undefined): string | undefined {
  if (state?.target.kind === 'kubeconfig') return state.target.path
  return existsSync(home.kubeconfig) ? home.kubeconfig : undefined
}

function apiServerHost(kubeconfig: string): string[] {
  if (!existsSync(kubeconfig)) return []
  const { hostname } = new URL(loadKubeconfig(kubeconfig).server)
  return hostname === '127.0.0.1' ? [] : [hostname.replace(/^\[|\]$/g, '')]
}

function render(variables: Record<string, string>, format: EnvCommand['format']): string {
  if (format === 'json') return JSON.stringify(variables, null, 2)
  const assign = format === 'fish' ? fishAssignment : shAssignment
  return Object.entries(variables).map(assign).join('\n')
}

function shAssignment([name, value]: [string, string]): string {
  return `export ${name}='${value.replaceAll("'", `'\\''`)}'`
}

function fishAssignment([name, value]: [string, string]): string {
  return `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
