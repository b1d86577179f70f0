import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from '#lib'
import { replaceFile } from '#lib/files'
import type { LabHome } from '../state/lab-home.ts'

const recordSchema = z.strictObject({
  /** The managed cluster that it backs. */
  id: z.string(),
  /** What was installed in it for that. */
  parts: z.array(z.enum(['secrets-provider', 'webhook'])),
})

/** What is recorded of the cluster of a kubeconfig while it backs a managed one. */
export type UserClusterRecord = z.infer<typeof recordSchema>

export function readUserCluster(home: LabHome): UserClusterRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(home.userCluster, 'utf8')))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

export function writeUserCluster(home: LabHome, record: UserClusterRecord): void {
  replaceFile(home.userCluster, JSON.stringify(record))
}
