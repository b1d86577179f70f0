import { type ObjectSpec, objectLabel } from '#azure/class'
import { IdentityError } from '#azure/identity'
import { VaultError } from '#azure/keyvault'
import { errorMessage } from '#lib'
import type { ErrorCode } from './error-catalogue.ts'
import { MountError } from './mount-error.ts'
import type { ObjectFile } from './read-object.ts'

export interface ReadObjectsOptions {
  read: (object: ObjectSpec) => Promise<ObjectFile[]>
  /** Who asks, in words; once at the end of an error of a vault. */
  identity: string
  /** Called for each optional object that was not there. */
  onSkipped: (object: ObjectSpec, error: unknown) => void
}

/**
 * Reads all objects side by side and gives their files in the order of the class: everything, or one error that names
 * every object that failed.
 */
export async function readObjects(objects: readonly ObjectSpec[], options: ReadObjectsOptions): Promise<ObjectFile[]> {
  const outcomes = await Promise.allSettled(objects.map(options.read))
  const files: ObjectFile[] = []
  const failures: Failure[] = []
  for (const [index, object] of objects.entries()) {
    const outcome = outcomes[index]
    if (outcome?.status === 'fulfilled') files.push(...outcome.value)
    else if (object.optional && isMissing(outcome?.reason)) options.onSkipped(object, outcome?.reason)
    else failures.push({ object, error: outcome?.reason })
  }
  if (failures.length > 0) throw combine(failures, { total: objects.length, identity: options.identity })
  return files
}

interface Failure {
  object: ObjectSpec
  error: unknown
}

const missing: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'vault-object-missing',
  'vault-object-deleted',
  'vault-object-disabled',
  'object-version-missing',
  'json-path-missing',
])

/** Only an object that is not there is optional: a vault that refuses or is down must not look like one. */
function isMissing(error: unknown): boolean {
  return missing.has(errorCodeOf(error))
}

/** One failed sign-in or one unreachable vault fails many objects for the same reason, which is then given once. */
function combine(failures: readonly Failure[], { total, identity }: { total: number; identity: string }): MountError {
  const byReason = new Map<string, Failure[]>()
  for (const failure of failures) {
    const reason = `[${errorCodeOf(failure.error)}] ${errorMessage(failure.error)}`
    byReason.set(reason, [...(byReason.get(reason) ?? []), failure])
  }
  const parts = [...byReason].map(([reason, [first, ...others]]) => {
    const same =
      others.length === 0
        ? ''
        : ` (the same for ${others.map(({ object }) => `${object.type}/${object.name}`).join(', ')})`
    return `failed to get ${first === undefined ? '' : objectLabel(first.object)}: ${reason}${same}`
  })
  const head = failures.length === 1 ? '' : `${failures.length} of ${total} objects failed: `
  const codes = new Set(failures.map(({ error }) => errorCodeOf(error)))
  const [code = 'internal-error'] = codes
  const asked = failures.some(({ error }) => error instanceof VaultError) ? `; asked as ${identity}` : ''
  return new MountError(code, head + parts.join('; ') + asked, { cause: failures[0]?.error })
}

/** The catalogue's code of anything that was thrown. */
export function errorCodeOf(error: unknown): ErrorCode {
  if (error instanceof MountError || error instanceof VaultError || error instanceof IdentityError) return error.code
  return 'internal-error'
}
