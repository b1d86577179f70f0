import { isDeepStrictEqual } from 'node:util'
import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, isRecord, mapAt, setDefaults } from '../api-object.ts'
import { selectorMatches } from '../objects/selectors.ts'
import { checkNotNegative } from '../validation/numbers.ts'
import { validatePodSpec } from '../validation/pod.ts'
import { ageColumn, at, column, count, nameColumn, pairs, templateColumns } from './columns.ts'
import { defineKind, specOf } from './define-kind.ts'
import { fields } from './fields.ts'
import { defaultPodSpec } from './pod-admission.ts'
import { templateFields } from './pod-fields.ts'
import type { ResourceRow } from './resource-row.ts'

const workload = {
  categories: ['all'],
  subresources: ['status'],
  generation: true,
  fields: 'status:any',
  validate: validateWorkload,
} as const

const scaledWorkload = { ...workload, subresources: ['status', 'scale'] } as const

/** The kinds of `apps/v1`. */
export const workloadKinds: readonly ResourceRow[] = [
  defineKind('apps/v1', 'DaemonSet', 'daemonsets', {
    ...workload,
    short: ['ds'],
    columns: [
      nameColumn,
      count('Desired', 'status.desiredNumberScheduled'),
      count('Current', 'status.currentNumberScheduled'),
      count('Ready', 'status.numberReady'),
      count('Up-to-date', 'status.updatedNumberScheduled'),
      count('Available', 'status.numberAvailable'),
      pairs('Node Selector', 'spec.template.spec.nodeSelector'),
      ageColumn,
      ...templateColumns,
    ],
    children: {
      spec: fields(
        'DaemonSetSpec',
        'minReadySeconds:int32 revisionHistoryLimit:int32 updateStrategy:any',
        templateFields,
      ),
    },
    prepare: prepareWorkload({
      revisionHistoryLimit: 10,
      updateStrategy: rollingUpdate({ maxSurge: 0, maxUnavailable: 1 }),
    }),
  }),
  defineKind('apps/v1', 'Deployment', 'deployments', {
    ...scaledWorkload,
    short: ['deploy'],
    columns: [
      nameColumn,
      column('Ready', (object) => `${at(object, 'status.readyReplicas') ?? 0}/${at(object, 'spec.replicas') ?? 0}`),
      count('Up-to-date', 'status.updatedReplicas'),
      count('Available', 'status.availableReplicas'),
      ageColumn,
      ...templateColumns,
    ],
    children: {
      spec: fields(
        'DeploymentSpec',
        'minReadySeconds:int32 paused:bool progressDeadlineSeconds:int32 replicas:int32 revisionHistoryLimit:int32 strategy:any',
        templateFields,
      ),
    },
    prepare: prepareWorkload({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: rollingUpdate({ maxSurge: '25%', maxUnavailable: '25%' }),
    }),
  }),
  defineKind('apps/v1', 'ReplicaSet', 'replicasets', {
    ...scaledWorkload,
    short: ['rs'],
    columns: [
      nameColumn,
      count('Desired', 'spec.replicas'),
      count('Current', 'status.replicas'),
      count('Ready', 'status.readyReplicas'),
      ageColumn,
      ...templateColumns,
    ],
    children: { spec: fields('ReplicaSetSpec', 'minReadySeconds:int32 replicas:int32', templateFields) },
    prepare: prepareWorkload({ replicas: 1 }),
  }),
]

function rollingUpdate(limits: object) {
  return { type: 'RollingUpdate', rollingUpdate: limits }
}

function prepareWorkload(defaults: Record<string, unknown>): (draft: ApiObject) => void {
  return (draft) => {
    const spec = specOf(draft)
    setDefaults(spec, defaults)
    defaultPodSpec(valueAt(spec, 'template', 'spec'))
  }
}

function validateWorkload(causes: Causes, object: ApiObject, previous: ApiObject | undefined): void {
  checkNotNegative(causes, 'spec.replicas', valueAt(object, 'spec', 'replicas'))
  validatePodSpec(causes, valueAt(object, 'spec', 'template', 'spec'), 'spec.template.spec')
  const selector = valueAt(object, 'spec', 'selector')
  const labels = mapAt(object, 'spec', 'template', 'metadata', 'labels')
  if (!isRecord(selector) || Object.keys(selector).length === 0) causes.required('spec.selector')
  else if (!selectorMatches(selector, labels)) {
    const why = '`selector` does not match template `labels`'
    causes.invalid('spec.template.metadata.labels', labels, why)
  }
  const before = valueAt(previous, 'spec', 'selector')
  if (before !== undefined && !isDeepStrictEqual(before, selector)) {
    causes.invalid('spec.selector', selector, 'field is immutable')
  }
}
