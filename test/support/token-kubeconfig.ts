import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { KubeClient } from '#kubernetes/client'
import { type Cleanup, temporaryDirectory } from './temporary-directory.ts'

/**
 * A kubeconfig file with which its user is a service account.
 *
 * @param kubeconfig file of the administrator
 */
export async function tokenKubeconfig(
  t: Cleanup,
  kube: KubeClient,
  kubeconfig: string,
  account: { namespace: string; name: string },
): Promise<string> {
  const { token } = await kube.createToken(account, { audiences: [] })
  const config = parse(readFileSync(kubeconfig, 'utf8'))
  config.users[0].user = { token }
  const path = join(temporaryDirectory(t, 'keymount-account-'), 'kubeconfig')
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
  return path
}
