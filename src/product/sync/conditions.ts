import type { SecretSync, SyncCondition } from '#kubernetes/client'
import type { StaleContent } from '#kubernetes/provider-protocol'
import { timestamp } from '#lib'
import type { SyncError } from './sync-error.ts'

/** Before the first attempt: the two conditions of upstream, in upstream's words. */
export function initialConditions(sync: SecretSync, nowMs: number): SyncCondition[] {
  return merged(sync, nowMs, [
    { type: 'SecretCreated', status: 'Unknown', reason: 'SyncStarting', message: '' },
    { type: 'SecretUpdated', status: 'Unknown', reason: 'NoUpdatesAttemptedYet', message: '' },
    { type: 'Ready', status: 'Unknown', reason: 'SyncStarting', message: '' },
  ])
}

export function successConditions(
  sync: SecretSync,
  nowMs: number,
  { note = '', stale }: { note?: string; stale?: StaleContent | undefined } = {},
): SyncCondition[] {
  const created = { type: 'SecretCreated', status: 'True', reason: 'CreateSuccessful' } as const
  const message = stale === undefined ? 'Secret contains last observed values.' : `${staleText(stale)}.`
  const reason = stale === undefined ? 'SecretUpToDate' : 'SecretStale'
  return merged(sync, nowMs, [
    { ...created, message: 'Secret created successfully.' },
    { type: 'SecretUpdated', status: stale === undefined ? 'True' : 'False', reason, message: `${message}${note}` },
    { type: 'Ready', status: 'True', reason, message: `${message}${note}` },
  ])
}

/** Of a Secret that was made in an outage. */
export function staleText({ since, reason }: StaleContent): string {
  const cause = reason === '' ? '' : `, because ${reason}`
  return `the Secret has values of ${timestamp(since)}${cause}; they are read again soon`.slice(0, maxMessage / 2)
}

/**
 * A failure before the first write is one of creating the Secret; after it, the Secret is there and out of date. Upstream's
 * newer releases report either at `SecretUpdated`, so that one is always false.
 */
export function failureConditions(sync: SecretSync, nowMs: number, error: SyncError): SyncCondition[] {
  const { code, message, notCreated } = error
  const failure = { status: 'False', reason: code, message: message.slice(0, maxMessage) } as const
  const created = sync.status?.conditions?.some(({ type, status }) => type === 'SecretCreated' && status === 'True')
  return merged(sync, nowMs, [
    ...(created === true ? [] : [{ type: 'SecretCreated', ...failure, message: notCreated.slice(0, maxMessage) }]),
    { type: 'SecretUpdated', ...failure },
    { type: 'Ready', ...failure },
  ])
}

export function isReady(sync: SecretSync): boolean {
  const ready = sync.status?.conditions?.find(({ type }) => type === 'Ready')
  return ready?.status === 'True' && ready.observedGeneration === sync.metadata.generation
}

/** The limit of the schema. */
const maxMessage = 32_768

type NewCondition = Pick<SyncCondition, 'type' | 'status' | 'reason' | 'message'>

/** The conditions that are there, these in place of those of their types. The time changes only with the status. */
function merged(sync: SecretSync, nowMs: number, changed: readonly NewCondition[]): SyncCondition[] {
  const before = new Map(sync.status?.conditions?.map((condition) => [condition.type, condition]))
  for (const condition of changed) {
    const old = before.get(condition.type)
    const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : timestamp(nowMs)
    const { generation } = sync.metadata
    before.set(condition.type, {
      ...condition,
      lastTransitionTime,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    })
  }
  return [...before.values()]
}
