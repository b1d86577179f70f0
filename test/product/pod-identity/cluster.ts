import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parse } from 'yaml'
import { type KubeClient, resources, type UntypedObject } from '#kubernetes/client'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'

const directory = join(import.meta.dirname, '../../../charts/keymount/files/pod-identity-crds')

/** The CustomResourceDefinitions of pod identity, as the chart installs them. */
export const podIdentityDefinitions: readonly UntypedObject[] = readdirSync(directory)
  .toSorted()
  .map((name) => parse(readFileSync(join(directory, name), 'utf8')) as UntypedObject)

/** A local cluster that knows the kinds of pod identity, as the chart installs them. */
export async function startPodIdentityCluster(t: TestContext): Promise<{ kube: KubeClient; kubeconfig: string }> {
  const cluster = await startLocalCluster(t)
  const kube = kubeClientOf(t, cluster.kubeconfig)
  for (const definition of podIdentityDefinitions) await kube.create(resources.customResourceDefinitions, definition)
  return { kube, kubeconfig: cluster.kubeconfig }
}
