import { type ObjectSpec, objectLabel } from '#azure/class'
import { IdentityError } from '#azure/identity'
import { VaultError } from '#azure/keyvault'
import { errorMessage } from '#lib'
import { isOutage, type ProviderErrorCode } from '#product/error-catalogue'
import { eventRoom, joinReasons, reasonsRoom } from './join-reasons.ts'
import { MountError } from './mount-error.ts'
import type { ObjectFile } from './read-object.ts'

export interface ReadObjectsOptions {
  read: (object: ObjectSpec) => Promise<ObjectFile[]>
  /** Who asks, in words; once at the end of an error of a vault. */
  identity: string
  /** Called for each object that was not there and may be missing. */
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
    else if (mayLack(object, outcome?.reason)) options.onSkipped(object, outcome?.reason)
    else failures.push({ object, error: outcome?.reason })
  }
  if (failures.length > 0) throw combine(failures, { total: objects.length, identity: options.identity })
  return files
}

interface Failure {
  object: ObjectSpec
  error: unknown
}

const missing: ReadonlySet<ProviderErrorCode> = new Set<ProviderErrorCode>([
  'vault-object-missing',
  'vault-object-deleted',
  'vault-object-disabled',
  'object-version-missing',
  'json-path-missing',
])

/** What a `select` found, and what is not there by the time it is read. */
const gone: ReadonlySet<ProviderErrorCode> = new Set<ProviderErrorCode>([
  'vault-object-missing',
  'vault-object-deleted',
  'vault-object-disabled',
  'vault-object-expired',
])

/** Only an object that is not there is optional: a vault that refuses or is down must not look like one. */
function mayLack({ optional, selected }: ObjectSpec, error: unknown): boolean {
  const code = errorCodeOf(error)
  return (optional && missing.has(code)) || (selected && gone.has(code))
}

/**
 * One error for all that failed: code, objects, reason and fix, once for all objects that failed for the same reason. Who asked
 * is last, because it is the longest, and an event may be cut off there.
 */
function combine(failures: readonly Failure[], { total, identity }: { total: number; identity: string }): MountError {
  // A driver may use the fallback Secret after an outage, and so never when one of the objects was refused.
  const inOrder = failures.toSorted((a, b) => Number(isOutageOf(a)) - Number(isOutageOf(b)))
  const groups = [...Map.groupBy(inOrder, reasonOf).values()]
  const names = (group: readonly Failure[]) => namesOf(group, failures.length)
  const reasons = groups.map((group) => `[${codeOf(group)}] failed to get ${names(group)}: ${textOf(group)}`)
  const code = codeOf(inOrder)
  const count = total === 1 ? '' : `; ${failures.length} of ${total} objects failed`
  const more = `; more: keymount explain ${code}`
  // Errors of a sign-in have the identity at their own end.
  const asked = failures.some(({ error }) => error instanceof VaultError) ? `; asked as ${identity}` : ''
  const room = asked === '' ? eventRoom - count.length - more.length : reasonsRoom
  const { text, whole } = joinReasons(groups.length === 1 ? reasons : reasons.map(shortReason), room, (from) => {
    const rest = groups.slice(from).map((group) => `[${codeOf(group)}] ${names(group)}`)
    return `and ${joinWithin(maxRestLength, rest)}, see the provider’s log`
  })
  return new MountError(code, text + count + more + asked, {
    cause: inOrder[0]?.error,
    whole: whole === undefined ? undefined : reasons.join('; ') + count + asked,
  })
}

function isOutageOf({ error }: Failure): boolean {
  return isOutage(errorCodeOf(error))
}

function codeOf([first]: readonly Failure[]): ProviderErrorCode {
  return errorCodeOf(first?.error)
}

/** The same for objects that failed for the same reason. */
function reasonOf(failure: Failure): string {
  return `${errorCodeOf(failure.error)} ${withoutName(failure)}`
}

/** Commands name the object, which is not a difference. */
function withoutName({ object, error }: Failure): string {
  return errorMessage(error).replaceAll(`--name ${object.name}`, '--name NAME')
}

function textOf([first, ...others]: readonly Failure[]): string {
  if (first === undefined) return ''
  return others.length === 0 ? errorMessage(first.error) : withoutName(first)
}

/** One reason among several: without the status of the answer, and, after the first, without the address of the vault. */
function shortReason(reason: string, index: number): string {
  const text = reason.replace(/; RESPONSE \d+, ERROR CODE: [^:;]*$/, '')
  return index === 0 ? text : text.replace(/ \(https:\/\/[^\s()]*\)/, '')
}

/** Room for the names of objects that failed for the same reason, and for the reasons that there is no room for. */
const maxNamesLength = 160
/** The same where the names decide nothing, because the sign-in failed. */
const maxNamesOfSignIn = 60
const maxRestLength = 200

/** The only object that failed in the words of upstream, which users search for; otherwise a list. @param count of all that failed. */
function namesOf([first, ...others]: readonly Failure[], count: number): string {
  if (first === undefined) return ''
  if (count === 1) return objectLabel(first.object)
  const room = first.error instanceof IdentityError ? maxNamesOfSignIn : maxNamesLength
  return joinWithin(room, [first, ...others].map(nameOf))
}

function nameOf({ object: { type, name, version } }: Failure): string {
  return version === '' ? `${type}/${name}` : `${type}/${name}/${version}`
}

/** A list in words, of as many as there is room for, but of one. */
function joinWithin(length: number, [first = '', ...others]: readonly string[]): string {
  let text = first
  for (const [index, other] of others.entries()) {
    if (text.length + other.length + 2 > length) return `${text} and ${others.length - index} more`
    text += `, ${other}`
  }
  return text
}

/** The catalogue's code of anything that was thrown. */
export function errorCodeOf(error: unknown): ProviderErrorCode {
  if (error instanceof MountError || error instanceof VaultError || error instanceof IdentityError) return error.code
  return 'internal-error'
}
