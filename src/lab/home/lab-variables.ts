import { existsSync } from 'node:fs'
import { loadKubeconfig } from '#kubernetes/client'
import { CliError } from '#terminal'
import { writeAzProfile } from './azure/az-profile.ts'
import { readCredentials } from './azure/lab-azure.ts'
import { findLocalAzure } from './processes/lab-programs.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

/** The variables that point kubectl, az and the SDKs at the lab. Throws {@link CliError} if it is not up. */
export function labVariables(home: LabHome): Record<string, string> {
  const state = readLabState(home)
  const azure = findLocalAzure(home)
  const kubeconfig = kubeconfigOf(home, state)
  if (state === undefined || kubeconfig === undefined || (azure === undefined && state.azure === 'local')) {
    throw new CliError({
      what: `The lab in ${home.root} is not up`,
      fix: [`start it: keymount up${home.option}`],
      code: 'notUp',
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

/** Signs `az` in as the administrator of the local Azure, in the directory that {@link labVariables} names. */
export function signInAz(home: LabHome): void {
  const azure = findLocalAzure(home)
  if (azure !== undefined) writeAzProfile(home.azureCli, readCredentials(azure.credentials))
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
