import type { CsiDriver } from '#kubernetes/client'
import { driverName } from '#lab/home'
import { quietMsOf } from '../doctor/judge/judge-files.ts'
import { classRows } from './class-rows.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import { eventRows } from './event-rows.ts'
import { judgeNodes } from './node-rows.ts'
import { objectRows, type VaultMetadata } from './object-rows.ts'
import { problemRows } from './problem-rows.ts'
import type { Rows, ViewName } from './rows.ts'
import { secretRows } from './secret-rows.ts'
import { volumeRows } from './volume-rows.ts'

export interface RowContext {
  /** Of the server's clock. */
  nowMs: number
  /** The command that installs Keymount. */
  installCommand: string
  /** Whether the CSIDriver object may be read. */
  knowsDriver: boolean
  /** What vaults have, by vault and object. */
  vaults?: ReadonlyMap<string, VaultMetadata> | undefined
}

/** The rows of these views. Each view that others are made of is made once. */
export function rowsOf<V extends ViewName>(
  objects: ClusterObjects,
  context: RowContext,
  wanted: readonly V[],
): Pick<Rows, V> {
  const { nowMs, installCommand } = context
  const made: Partial<Rows> = {}
  const volumes = once(() => volumeRows(objects, { nowMs, quietMs: quietMsOf({ value: driverOf(objects) }) }))
  const secrets = once(() => secretRows(objects))
  const nodes = once(() => judgeNodes(objects, volumes(), installCommand))
  const makers: { [N in ViewName]: () => Rows[N] } = {
    volumes,
    objects: () => objectRows(objects, nowMs, context.vaults),
    classes: () => classRows(objects, volumes()),
    secrets,
    nodes: () => nodes().map(({ row }) => row),
    problems: () => problemRows(objects, { ...context, volumes: volumes(), secrets: secrets(), nodes: nodes() }),
    events: () => eventRows(objects),
  }
  for (const name of wanted) Object.assign(made, { [name]: makers[name]() })
  return made as Pick<Rows, V>
}

function driverOf({ csiDrivers }: ClusterObjects): CsiDriver | undefined {
  return csiDrivers.get(`/${driverName}`)
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
