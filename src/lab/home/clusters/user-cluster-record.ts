import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from '#lib'
import type { LabHome } from '../state/lab-home.ts'

const recordSchema = z.strictObject({
  /** The managed cluster that it stands behind. */
  id: z.string(),
  /** What was installed into it for that. */
  parts: z.array(z.enum(['secrets-provider', 'webhook'])),
})

/** What is kept of the cluster that a kubeconfig named, while it stands behind a managed one. */
export type UserClusterRecord = z.infer<typeof recordSchema>

export function readUserCluster(home: LabHome): UserClusterRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(home.userCluster, 'utf8')))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Replaces the record in one step. */
export function writeUserCluster(home: LabHome, record: UserClusterRecord): void {
  writeFileSync(`${home.userCluster}.next`, JSON.stringify(record), { mode: 0o600 })
  renameSync(`${home.userCluster}.next`, home.userCluster)
}
