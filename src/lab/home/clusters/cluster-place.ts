import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode } from '#lib'
import { replaceFile } from '#lib/files'
import { CliError } from '#terminal'
import type { ClusterProgram } from '../processes/background.ts'
import type { LabHome } from '../state/lab-home.ts'
import { daemonPortsSchema, readLabState, writeLabState } from '../state/lab-state.ts'

const port = z.int().min(0).max(65_535)

const recordSchema = z.strictObject({
  version: z.literal(1),
  /** Resource id of the managed cluster. */
  id: z.string(),
  nodeName: z.string(),
  /** Part of its issuer, so it never changes; 0 before the first start. */
  port,
  /** Set when it was stopped by `az aks stop`. */
  stopped: z.literal(true).optional(),
  /** Build of Keymount that it runs, and the ports of Keymount's daemons. */
  localImage: z.string().optional(),
  daemonPorts: daemonPortsSchema.optional(),
})

/** What is stored about a cluster from one `up` to the next. */
export type ClusterRecord = z.infer<typeof recordSchema>

/** Where the program and the state of one cluster of the lab are. */
export interface ClusterPlace {
  program: ClusterProgram
  /** Directory of its state. */
  directory: string
  /** Sockets of its providers. */
  providers: string
}

export interface NumberedPlace extends ClusterPlace {
  record: ClusterRecord
}

/** The cluster that `up` creates. Its ports are in the lab's own state file. */
export function primaryPlace(home: LabHome): ClusterPlace {
  return { program: 'local-cluster', directory: home.cluster, providers: home.providers }
}

/** The clusters that `az aks create` made, in the order of their numbers. */
export function numberedPlaces(home: LabHome): NumberedPlace[] {
  return numberedDirectories(home).flatMap((place) => {
    const record = readRecord(place)
    return record === undefined ? [] : [{ ...place, record }]
  })
}

/** Directory that lies over the image of Keymount in the cluster of a place. */
export function imageOverlayOf({ directory }: ClusterPlace): string {
  return join(directory, 'image-overlay')
}

export function findNumbered(home: LabHome, id: string): NumberedPlace | undefined {
  return numberedPlaces(home).find(({ record }) => record.id.toLowerCase() === id.toLowerCase())
}

/** A place for another cluster, with its directory. */
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

/** Removes the directories without a record: a creation or a deletion was interrupted before or after the record existed. */
export function removeUnrecorded(home: LabHome): void {
  for (const place of numberedDirectories(home)) {
    if (readRecord(place) === undefined) rmSync(place.directory, { recursive: true, force: true })
  }
}

/** `GROUP/NAME` of a managed cluster's id. */
export function managedName(id: string): string {
  const [, group = '', name = ''] = /resourceGroups\/([^/]+)\/.*\/([^/]+)$/i.exec(id) ?? []
  return `${group}/${name}`
}

export function writeRecord({ directory }: ClusterPlace, record: ClusterRecord): void {
  replaceFile(recordFile(directory), `${JSON.stringify(record, null, 2)}\n`)
}

/** Records what the primary cluster was started with, for the next `up`. */
export function recordPrimary(home: LabHome, started: Pick<ClusterRecord, 'localImage' | 'daemonPorts'>): void {
  const state = readLabState(home)
  if (state !== undefined) writeLabState(home, { ...state, ...started })
}

function numberedDirectories(home: LabHome): ClusterPlace[] {
  return readdirSync(home.root)
    .flatMap((name) => /^aks-(\d+)$/.exec(name)?.[1] ?? [])
    .map((digits) => Number(digits))
    .toSorted((a, b) => a - b)
    .map((number) => placeOf(home, number))
}

function placeOf(home: LabHome, number: number): ClusterPlace {
  // Directly below the home, because paths of sockets must be short.
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
    throw new CliError({
      what: `${recordFile(directory)} is corrupt`,
      fix: [`move the cluster away: mv ${directory} ${directory}.corrupt`],
      cause: error,
    })
  }
}
