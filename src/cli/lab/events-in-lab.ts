import { type KubeClient, type Resource, resourceOf, resources, type UntypedObject } from '#kubernetes/client'
import { type Lab, type LocalAzure, operatorObjects } from '#lab/home'
import { sleep } from '#lib'
import { valueAt } from '#lib/formats'
import { eventTypes } from '#product/operator'
import { CliError, countOf } from '#terminal'
import { withLabClients } from '../example/clients-of-lab.ts'

/** Name of the operator's account, of its identity and of the resource group of the queue. */
const name = 'keymount-operator'
const namespace = 'kube-system'
const fieldManager = 'keymount-up'
const readyMs = 60_000

/** A queue that the events of the lab's vaults come to, and the operator in its cluster. Can be repeated: new vaults are added. */
export async function setUpEvents(
  lab: Lab,
  localAzure: LocalAzure,
  { packageRoot, signal }: { packageRoot: string; signal: AbortSignal },
): Promise<string> {
  return withLabClients(lab, localAzure, name, async ({ kube, azure }) => {
    await azure.createResourceGroup()
    const identity = await azure.createIdentity(name)
    const subject = `system:serviceaccount:${namespace}:${name}`
    await azure.setFederatedCredential(name, { name, issuer: lab.cluster.issuer, subject })
    const queue = await azure.createEventQueue('keymount', identity.principalId)
    const vaults = await azure.vaults()
    for (const vault of vaults) await azure.subscribeToVault(vault, queue, eventTypes)
    const { clientId } = identity
    const values = { queue: queue.url, clientId, tenantId: azure.tenantId }
    for (const object of await operatorObjects(packageRoot, lab.cluster, values))
      await kube.apply(resourceFor(object), object, { fieldManager })
    await waitForOperator(kube, signal)
    return `changes in ${countOf(vaults.length, 'vault')} reach the pods at once; run this again after you create a vault`
  })
}

function resourceFor(object: UntypedObject): Resource<UntypedObject> {
  const resource = resourceOf(object)
  if (resource === undefined) throw new Error(`the manifests have an unknown kind: ${object.apiVersion} ${object.kind}`)
  return resource
}

async function waitForOperator(kube: KubeClient, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + readyMs
  while (!(await isReady(kube))) {
    if (performance.now() > deadline)
      throw new CliError({
        what: `The operator is not ready after ${readyMs / 1000} s`,
        fix: [`see why: kubectl -n ${namespace} describe pods -l app=${name}`],
      })
    await sleep(200, { signal })
  }
}

async function isReady(kube: KubeClient): Promise<boolean> {
  const deployment = await kube.get(resources.deployments, { name, namespace })
  const status = (field: string) => valueAt(deployment, 'status', field)
  const isCurrent = status('observedGeneration') === deployment.metadata.generation
  return isCurrent && status('updatedReplicas') === 1 && status('readyReplicas') === 1
}
