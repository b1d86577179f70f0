import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { LabAzure } from '#lab/home'
import { findKubectl } from '../../support/kubectl.ts'
import type { CliResult } from '../../support/run-cli.ts'
import type { IdentityLab } from '../identity-lab.ts'

/** A vault with a secret `db`, which the administrator may set. */
export async function createVaultWithSecret(azure: LabAzure, vault: string): Promise<void> {
  await azure.createVault(vault)
  await azure.assignRole({ role: 'Key Vault Secrets Officer', principalId: await azure.principalId(), vault })
  await azure.setSecret(vault, 'db', 'one')
}

/** The plan for what is in the cluster, beside what is in Azure. */
export function planOfCluster(administrator: IdentityLab, ...words: string[]): Promise<CliResult> {
  return administrator.identity('plan', '--cluster', '--azure', '--auth-method', 'client_secret', ...words)
}

/** kubectl for the lab's cluster: what it prints. */
export function kubectlOf({ env }: IdentityLab): (...words: string[]) => Promise<string> {
  return async (...words) => {
    const all = [...words, '--kubeconfig', env.KUBECONFIG ?? '']
    return (await promisify(execFile)(findKubectl() ?? 'kubectl', all)).stdout
  }
}
