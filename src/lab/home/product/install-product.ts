import { type KubeClient, type Resource, resourceOf, type UntypedObject, wasFound } from '#kubernetes/client'
import { poll } from '#lib/async'
import { CliError } from '#terminal'

const fieldManager = 'keymount-up'

/** Applies the objects, CustomResourceDefinitions first. Can be repeated. */
export async function installProduct(kube: KubeClient, objects: readonly UntypedObject[]): Promise<void> {
  const isDefinition = ({ kind }: UntypedObject) => kind === 'CustomResourceDefinition'
  const apply = async (object: UntypedObject) => {
    await kube.apply(resourceFor(object), object, { fieldManager })
  }
  await Promise.all(objects.filter(isDefinition).map(apply))
  await Promise.all(objects.filter((object) => !isDefinition(object)).map(apply))
}

/**
 * Deletes the objects and waits until the pods are gone. CustomResourceDefinitions stay: deleting them would delete every
 * class. Gives the number of objects that existed.
 */
export async function removeProduct(kube: KubeClient, objects: readonly UntypedObject[]): Promise<number> {
  const removable = objects.filter(({ kind }) => kind !== 'CustomResourceDefinition' && kind !== 'Namespace')
  // DaemonSets first: their pods need service accounts and roles until they have ended.
  const daemons = removable.filter(({ kind }) => kind === 'DaemonSet')
  const ended = await Promise.all(daemons.map((object) => remove(kube, object)))
  await waitUntilGone(kube, daemons)
  const others = removable.filter(({ kind }) => kind !== 'DaemonSet')
  const removed = await Promise.all(others.map((object) => remove(kube, object)))
  return [...ended, ...removed].filter((was) => was).length
}

/** Gives whether the object existed. */
function remove(kube: KubeClient, object: UntypedObject): Promise<boolean> {
  const { name = '', namespace } = object.metadata
  return wasFound(kube.delete(resourceFor(object), { name, namespace }, { propagationPolicy: 'Foreground' }))
}

async function waitUntilGone(kube: KubeClient, objects: readonly UntypedObject[]): Promise<void> {
  for (const object of objects) {
    const { name = '', namespace } = object.metadata
    const isGone = async () => !(await wasFound(kube.get(resourceFor(object), { name, namespace }))) || undefined
    const late = () => {
      throw new CliError({
        what: `The DaemonSet ${namespace}/${name} still exists a minute after it was deleted`,
        fix: [`see why: kubectl -n ${namespace} describe daemonset ${name}`],
      })
    }
    await poll<boolean>(isGone, { everyMs: 200, withinMs: 60_000, late })
  }
}

function resourceFor(object: UntypedObject): Resource<UntypedObject> {
  const resource = resourceOf(object)
  if (resource === undefined) throw new Error(`the manifests have an unknown kind: ${object.apiVersion} ${object.kind}`)
  return resource
}
