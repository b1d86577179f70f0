import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import { createKubeClient, type KubeClient, loadKubeconfig } from '#kubernetes/client'
import { createLabAzure, type LabAzure, readCredentials } from '#lab/home'
import { temporaryHome } from '../lab/home/lab-in-temporary-home.ts'
import { type CliResult, runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** A lab for the commands of `keymount identity`, run as a user of it does: with the variables that `keymount env` prints. */
export interface IdentityLab {
  kube: KubeClient
  azure: LabAzure
  /** Of the cluster's service account tokens. */
  issuer: string
  subscriptionId: string
  resourceGroup: string
  /** What `keymount env` sets, with the administrator's client id and secret. */
  env: Record<string, string>
  /** Runs `keymount …`, signed in as the administrator by the environment. */
  keymount(...words: string[]): Promise<CliResult>
  /** Runs `keymount identity …`, signed in likewise. */
  identity(...words: string[]): Promise<CliResult>
  /** Object id of a user-assigned identity of the resource group. */
  principalOf(identity: string): Promise<string>
}

/** @param upFlags of `keymount up` */
export async function startIdentityLab(t: TestContext, ...upFlags: string[]): Promise<IdentityLab> {
  const home = await temporaryHome(t)
  const lab = await home.up(...upFlags)
  const variables = JSON.parse((await home.keymount('env', '--json')).stdout) as Record<string, string>
  const credentials = readCredentials(lab.azure.credentials)
  const resourceGroup = 'identity'
  const azure = createLabAzure({
    credentials,
    proxy: lab.azure.proxy,
    ca: readFileSync(lab.azure.ca, 'utf8'),
    resourceGroup,
  })
  const kube = createKubeClient(loadKubeconfig(lab.kubeconfig))
  t.after(() => {
    azure.stop()
    kube.close()
  })
  await azure.createResourceGroup()
  const discovery = await kube.raw({ method: 'GET', path: '/.well-known/openid-configuration' })
  const env = {
    ...variables,
    KEYMOUNT_HOME: home.path,
    AZURE_SUBSCRIPTION_ID: credentials.subscriptionId,
    AZURE_CLIENT_ID: credentials.clientId,
    AZURE_CLIENT_SECRET: credentials.clientSecret.revealText(),
    NO_COLOR: '1',
  }
  return {
    kube,
    azure,
    issuer: (JSON.parse(discovery) as { issuer: string }).issuer,
    subscriptionId: credentials.subscriptionId,
    resourceGroup,
    env,
    keymount: (...words) => runCli(words, env),
    identity: (...words) => runCli(['identity', ...words], env),
    async principalOf(identity) {
      const path = `/subscriptions/${credentials.subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${identity}`
      const found = await azure.resourceManager.get<{ properties: { principalId: string } }>(path, {
        apiVersion: '2023-01-31',
      })
      return found.properties.principalId
    },
  }
}

/** The options by which the administrator of the lab signs in. */
export const bySecret = ['--auth-method', 'client_secret'] as const

/** Output with lines that were wrapped joined again. */
export function unwrapped(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

/** The user's kubeconfig with the token of a service account in place of the user's own sign-in. */
export async function kubeconfigOfAccount(
  t: TestContext,
  { kube, env }: Pick<IdentityLab, 'kube' | 'env'>,
  account: { namespace: string; name: string },
): Promise<string> {
  const { token } = await kube.createToken(account, { audiences: [], expirationSeconds: 600 })
  const config = parse(readFileSync(env.KUBECONFIG ?? '', 'utf8'))
  const path = join(temporaryDirectory(t), 'kubeconfig')
  config.users = config.users.map((user: { name: string }) => ({ name: user.name, user: { token } }))
  writeFileSync(path, stringify(config))
  return path
}
