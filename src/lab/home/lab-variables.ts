import { existsSync, readFileSync } from 'node:fs'
import { loadKubeconfig } from '#kubernetes/client'
import { CliError } from '#terminal'
import { writeAzProfile } from './azure/az-profile.ts'
import { writeCaBundle } from './azure/ca-bundle.ts'
import { readCredentials } from './azure/lab-azure.ts'
import {
  administratorVariables,
  bundleVariables,
  exceptionsFromProxy,
  userCertificates,
} from './emulator/client-variables.ts'
import { type Environment, originalEnvironment, savedPrefix } from './original-environment.ts'
import { findLocalAzure } from './processes/lab-programs.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

export interface LabVariablesOptions {
  home: LabHome
  /** The user's environment. */
  env: Environment
  /** Also the variables that sign `DefaultAzureCredential` in as the administrator, where there is no az. Default false. */
  admin?: boolean | undefined
}

type Variables = Readonly<Record<string, string | undefined>>

/**
 * The variables that point kubectl, az, curl and the SDKs at the lab, in both spellings where clients differ, and the user's own
 * values that they replace; undefined for variables to remove. Throws {@link CliError} if the lab is not up.
 */
export function labVariables({ home, env, admin = false }: LabVariablesOptions): Variables {
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
  if (azure === undefined) {
    if (admin)
      throw new CliError({ what: 'This lab uses the public Azure, where Keymount has no administrator', code: 'usage' })
    return { KUBECONFIG: kubeconfig }
  }
  const user = originalEnvironment(env)
  const own = userCertificates(user, home.caBundle)
  if (own.length > 0) writeCaBundle(home.caBundle, [readFileSync(azure.ca, 'utf8'), ...own].join('\n'))
  // kubectl uses HTTPS_PROXY too; its API server is not behind the proxy.
  const exceptions = exceptionsFromProxy(user, apiServerHost(kubeconfig))
  const variables = {
    KUBECONFIG: kubeconfig,
    HTTPS_PROXY: azure.proxy,
    https_proxy: azure.proxy,
    NO_PROXY: exceptions,
    no_proxy: exceptions,
    ...Object.fromEntries(bundleVariables.map((name) => [name, home.caBundle])),
    AZURE_CONFIG_DIR: home.azureCli,
  }
  const administrator = admin ? administratorVariables(readCredentials(azure.credentials)) : {}
  return { ...variables, ...administrator, ...saved(variables, user), ...savedOrEmpty(administrator, user) }
}

/** The user's own values of variables that the lab replaces, for {@link restoredVariables}. */
function saved(variables: Variables, user: Environment): Variables {
  const entries = Object.keys(variables).flatMap((name) => {
    const value = user[name]
    return value === undefined || value === variables[name] ? [] : [[`${savedPrefix}${name}`, value]]
  })
  return Object.fromEntries(entries)
}

/** Empty for a variable that the user does not have: only then was the shell given it by `--admin`, and has to lose it. */
function savedOrEmpty(variables: Variables, user: Environment): Variables {
  return Object.fromEntries(Object.keys(variables).map((name) => [`${savedPrefix}${name}`, user[name] ?? '']))
}

/** What undoes `keymount env` in a shell: the saved values, and undefined for variables to remove. */
export function restoredVariables(env: Environment): Variables {
  const names = [
    'KUBECONFIG',
    'AZURE_CONFIG_DIR',
    'HTTPS_PROXY',
    'https_proxy',
    'NO_PROXY',
    'no_proxy',
    ...bundleVariables,
  ]
  const leftover = Object.keys(env).filter((name) => name.startsWith(savedPrefix))
  const replaced = new Set([...names, ...leftover.map((name) => name.slice(savedPrefix.length))])
  const restored = [...replaced].map((name) => [name, env[`${savedPrefix}${name}`] || undefined])
  return Object.fromEntries([...restored, ...leftover.map((name) => [name, undefined])])
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
