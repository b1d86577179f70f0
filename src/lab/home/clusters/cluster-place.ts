import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode } from '#lib'
import type { ClusterProgram } from '../processes/background.ts'
import type { LabHome } from '../state/lab-home.ts'
import { daemonPortsSchema, readLabState, writeLabState } from '../state/lab-state.ts'

const port = z.int().min(0).max(65_535)

const recordSchema = z.strictObject({
  version: z.literal(1),
  /** Resource id of the managed cluster. */
  id: z.string(),
  nodeName: z.string(),
  /** Part of its issuer, so it is kept; 0 before the first start. */
  port,
  /** True when it shall not run. */
  stopped: z.literal(true).optional(),
  /** Build of the product that it runs, and the ports of the product's daemons. */
  localImage: z.string().optional(),
  daemonPorts: daemonPortsSchema.optional(),
})

/** What is kept of a cluster over `down` and `up`. */
export type ClusterRecord = z.infer<typeof recordSchema>

/** Where one cluster of the lab has its program and its state. */
export interface ClusterPlace {
  program: ClusterProgram
  /** Directory of its state, with everything of it. */
  directory: string
  /** Sockets of its providers. */
  providers: string
}

export interface NumberedPlace extends ClusterPlace {
  record: ClusterRecord
}

/** The cluster that `up` makes. Ports and the like of it are in the lab's own state file. */
export function primaryPlace(home: LabHome): ClusterPlace {
  return { program: 'local-cluster', directory: home.cluster, providers: home.providers }
}

/** The clusters that `az aks create` made, by number. */
export function numberedPlaces(home: LabHome): NumberedPlace[] {
  return readdirSync(home.root)
    .flatMap((name) => /^aks-(\d+)$/.exec(name)?.[1] ?? [])
    .map((digits) => Number(digits))
    .toSorted((a, b) => a - b)
    .flatMap((number) => {
      const place = placeOf(home, number)
      const record = readRecord(place)
      return record === undefined ? [] : [{ ...place, record }]
    })
}

export function findNumbered(home: LabHome, id: string): NumberedPlace | undefined {
  return numberedPlaces(home).find(({ record }) => record.id.toLowerCase() === id.toLowerCase())
}

/** A place for one more cluster, with its directory. A directory without a record is one whose making was cut short. */
export function newPlace(home: LabHome, { id, nodeName }: Pick<ClusterRecord, 'id' | 'nodeName'>): NumberedPlace {
  const taken = new Set<string>(numberedPlaces(home).map(({ program }) => program))
  let number = 1
  while (taken.has(`aks-${number}`)) number++
  const place = placeOf(home, number)
  rmSync(place.directory, { recursive: true, force: true })
  mkdirSync(place.directory, { recursive: true, mode: 0o700 })
  const record: ClusterRecord = { version: 1, id, nodeName, port: 0 }
  writeRecord(place, record)
  return { ...place, record }
}

/** `GROUP/NAME` of a managed cluster's id, as people call it. */
export function managedName(id: string): string {
  const [, group = '', name = ''] = /resourceGroups\/([^/]+)\/.*\/([^/]+)$/i.exec(id) ?? []
  return `${group}/${name}`
}

/** Replaces the record in one step. */
export function writeRecord({ directory }: ClusterPlace, record: ClusterRecord): void {
  const file = recordFile(directory)
  writeFileSync(`${file}.next`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.next`, file)
}

/** Remembers what the primary cluster was started with, for the next `up`. */
export function rememberPrimary(home: LabHome, known: Pick<ClusterRecord, 'localImage' | 'daemonPorts'>): void {
  const state = readLabState(home)
  if (state !== undefined) writeLabState(home, { ...state, ...known })
}

function placeOf(home: LabHome, number: number): ClusterPlace {
  // Directly below the home: paths of sockets are short.
  const directory = join(home.root, `aks-${number}`)
  return { program: `aks-${number}`, directory, providers: join(directory, 'providers') }
}

function recordFile(directory: string): string {
  return join(directory, 'cluster.json')
}

function readRecord({ directory }: ClusterPlace): ClusterRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(recordFile(directory), 'utf8')))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new Error(`${recordFile(directory)} is corrupt: move ${directory} away`, { cause: error })
  }
}
