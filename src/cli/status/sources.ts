import { type KubeObject, objectKey, type Resource, resources, type Selectors } from '#kubernetes/client'
import { productLabel } from '#lab/home'
import { driverApp, providerApp } from '../doctor/product-facts.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import { pickClass } from './pick-class.ts'
import { pickMount, pickPod, pickWaiting } from './pick-mount.ts'
import {
  pickCsiDriver,
  pickCsiNode,
  pickDaemonSet,
  pickDeployment,
  pickEvent,
  pickNode,
  pickProductPod,
  pickSync,
  pickWorkload,
} from './pick-others.ts'
import type { ViewName } from './rows.ts'

/** A collection that rows are made of. None of them is `secrets`: no value is ever asked for. */
export interface Source {
  /** For people: what is missing without the right to list it. */
  noun: string
  resource: Resource<KubeObject>
  selectors: Selectors
  views: readonly ViewName[]
  /** Where the entries are kept. */
  map: keyof ClusterObjects
  /** The part of an object that is stored, under its key; undefined to store nothing. */
  entry(object: KubeObject): readonly [key: string, value: unknown] | undefined
  /** Whether a cluster without this kind is as it should be. */
  isOptional: boolean
}

interface SourceOptions<T extends KubeObject> extends Selectors {
  noun: string
  views: readonly ViewName[]
  isOptional?: boolean
  key?: (object: T) => string
}

function source<T extends KubeObject, M extends keyof ClusterObjects>(
  map: M,
  resource: Resource<T>,
  pick: (object: T) => (ClusterObjects[M] extends Map<string, infer V> ? V : never) | undefined,
  { noun, views, isOptional = false, key = objectKey, ...selectors }: SourceOptions<T>,
): Source {
  return {
    ...{ map, noun, views, isOptional, selectors },
    resource: resource as Resource<KubeObject>,
    entry(object) {
      const value = pick(object as T)
      return value === undefined ? undefined : [key(object as T), value]
    },
  }
}

const all = ['volumes', 'objects', 'classes', 'secrets', 'nodes', 'problems'] as const satisfies ViewName[]
const notObjects = ['volumes', 'classes', 'secrets', 'nodes', 'problems'] as const satisfies ViewName[]
const ofNodes = ['nodes', 'problems'] as const satisfies ViewName[]
const product = { labelSelector: `app in (${driverApp},${providerApp})`, views: ofNodes }

function workload(resource: Resource<KubeObject>): Source {
  return source('workloads', resource, pickWorkload, {
    noun: resource.plural,
    isOptional: true,
    views: notObjects,
    metadataOnly: true,
    key: ({ metadata }) => `${metadata.namespace}/${resource.kind.toLowerCase()}/${metadata.name}`,
  })
}

export const sources: readonly Source[] = [
  source('mounts', resources.secretProviderClassPodStatuses, pickMount, {
    noun: 'status objects of volumes',
    views: all,
  }),
  source('classes', resources.secretProviderClasses, pickClass, { noun: 'SecretProviderClasses', views: all }),
  source('pods', resources.pods as Resource<KubeObject>, pickPod, {
    noun: 'pods',
    views: notObjects,
    metadataOnly: true,
  }),
  source('waiting', resources.pods, pickWaiting, {
    noun: 'pods that wait',
    views: notObjects,
    fieldSelector: 'status.phase=Pending',
  }),
  workload(resources.deployments),
  workload(resources.statefulSets),
  workload(resources.daemonSets as Resource<KubeObject>),
  source('syncs', resources.secretSyncs, pickSync, {
    noun: 'SecretSyncs',
    views: ['classes', 'secrets', 'problems'],
    isOptional: true,
  }),
  source('csiDrivers', resources.csiDrivers, pickCsiDriver, { noun: 'CSIDrivers', views: notObjects }),
  source('csiNodes', resources.csiNodes, pickCsiNode, { noun: 'CSINodes', views: ofNodes }),
  source('nodes', resources.nodes, pickNode, { noun: 'nodes', views: ofNodes }),
  source('productPods', resources.pods, pickProductPod, {
    ...{ noun: 'pods of driver and provider', ...product },
    views: ['classes', ...ofNodes],
  }),
  source('daemonSets', resources.daemonSets, pickDaemonSet, { noun: 'their DaemonSets', ...product }),
  source('deployments', resources.deployments, pickDeployment, {
    noun: 'Deployments of Keymount',
    views: ['problems'],
    labelSelector: productLabel,
  }),
  source('events', resources.events, pickEvent, { noun: 'events', views: [...notObjects, 'events'] }),
]

/** Whether a source is of the whole cluster: its objects are not in a namespace, or in that of the installation. */
export function isClusterWide({ resource, map }: Source): boolean {
  return !resource.namespaced || map === 'productPods' || map === 'daemonSets' || map === 'deployments'
}
