import { Code } from '#kubernetes/grpc'
import type { ObjectVersion } from '#kubernetes/provider-protocol'
import { writeFiles } from '#kubernetes/volume-files'
import type { Parts } from '../parts.ts'
import { PublishError } from '../rpc/publish-error.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'
import { fetchContent } from './fetch-content.ts'
import type { MountClass } from './mount-class.ts'

export interface FilledVolume {
  versions: readonly ObjectVersion[]
  changed: boolean
  digest: string | undefined
}

export interface FillOptions {
  target: string
  mountClass: MountClass
  /** What the volume holds already, told to the provider. */
  current: readonly ObjectVersion[]
  lastDigest?: string | undefined
  signal: AbortSignal
}

/** Asks the provider and makes the volume hold its answer: all of it or, when anything fails, what it held before. */
export async function fillVolume(parts: Parts, request: PublishRequest, options: FillOptions): Promise<FilledVolume> {
  const { target, mountClass, current, lastDigest, signal } = options
  const { files, versions } = await fetchContent(parts.providers, request, mountClass, { current, signal })
  signal.throwIfAborted()
  // A provider of old writes into the target itself and answers no files.
  if (files.length === 0) return { versions, changed: differ(current, versions), digest: undefined }
  try {
    const { groupId } = request
    const owner = groupId === undefined ? mountClass.owner : { groupId, ...mountClass.owner }
    const now = new Date(parts.clock.now())
    return { versions, ...writeFiles(target, files, { owner, now, lastDigest }) }
  } catch (error) {
    throw PublishError.because('FileWriteError', Code.UNKNOWN, 'failed to write the files of the volume', error)
  }
}

function differ(before: readonly ObjectVersion[], after: readonly ObjectVersion[]): boolean {
  const known = new Map(before.map(({ id, version }) => [id, version]))
  return before.length !== after.length || after.some(({ id, version }) => known.get(id) !== version)
}
