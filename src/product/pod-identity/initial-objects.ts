import { readFile } from 'node:fs/promises'
import { isAlreadyExists, type KubeClient, type KubeObject, type Resource, resources } from '#kubernetes/client'
import { type Clock, errorCode, errorMessage, type Log, type Running, repeat, systemClock } from '#lib'
import { createBackoff } from '#lib/async'
import { listOf, parseJson, recordOf } from '#lib/formats'

/** Of MIC, and of NMI in managed mode, where it is the only program. */
export const initialObjectsFlag = {
  type: 'string',
  default: '',
  help: 'JSON file with objects of aadpodidentity.k8s.io to create as soon as their kinds are served, if they do not exist',
} as const

export interface InitialObjectsOptions {
  kube: KubeClient
  /** A JSON list of objects of the group aadpodidentity.k8s.io. It may be missing, appear and change. Empty: none. */
  file: string
  log: Log
  clock?: Clock | undefined
}

/** Time between two reads of the file: kubelet updates a changed ConfigMap within about a minute. */
const checkMs = 30_000

/**
 * Creates the objects of a file that do not exist, each as soon as the API server serves its kind. The chart passes those here
 * that it cannot create itself: Helm refuses objects of a kind that the same release adds and the API server does not list yet.
 * Objects that exist are not changed.
 */
export function startInitialObjects(options: InitialObjectsOptions): Running {
  const { clock = systemClock, file, log } = options
  if (file === '') return { stop: async () => undefined }
  const backoff = createBackoff({ initialMs: 250, maxMs: checkMs })
  let done = ''

  async function step(): Promise<void> {
    const text = await readIfPresent(file)
    if (text === done) return
    if (text !== '') await createMissing(options, parseObjects(text))
    done = text
  }

  return repeat(
    async () => {
      try {
        await step()
        backoff.reset()
        return checkMs
      } catch (error) {
        const waitMs = backoff.next()
        log.warn({ file, retryMs: Math.round(waitMs) }, errorMessage(error))
        return waitMs
      }
    },
    { clock },
  )
}

async function readIfPresent(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return ''
    throw error
  }
}

interface InitialObject {
  resource: Resource<KubeObject>
  object: KubeObject
}

const apiVersion = 'aadpodidentity.k8s.io/v1'
const kinds: readonly Resource<KubeObject>[] = [
  resources.azureIdentities,
  resources.azureIdentityBindings,
  resources.azurePodIdentityExceptions,
]

/** Throws for a file that is not such a list. */
function parseObjects(text: string): InitialObject[] {
  const list = listOf(parseJson('the file', text))
  if (list === undefined) throw new Error('the file is not a JSON list')
  return list.map((entry, index) => {
    const object = recordOf(entry) ?? {}
    const resource = kinds.find(({ kind }) => kind === object.kind && object.apiVersion === apiVersion)
    if (resource === undefined) {
      const expected = kinds.map(({ kind }) => kind).join(', ')
      throw new Error(`[${index}]: found ${object.apiVersion} ${object.kind}, expected ${apiVersion} ${expected}`)
    }
    return { resource, object: object as unknown as KubeObject }
  })
}

/** One that fails does not prevent the others; its error is thrown at the end. */
async function createMissing({ kube, log }: InitialObjectsOptions, objects: readonly InitialObject[]): Promise<void> {
  let failure: unknown
  for (const { resource, object } of objects) {
    const { namespace, name } = object.metadata
    try {
      await kube.create(resource, object)
      log.info({ kind: resource.kind, namespace, name }, 'created')
    } catch (error) {
      if (!isAlreadyExists(error)) failure ??= error
    }
  }
  if (failure !== undefined) throw failure
}
