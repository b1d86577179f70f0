import { IdentityError } from '#azure/identity'
import { type Vault, VaultError } from '#azure/keyvault'
import type { Clock } from '#lib'
import { endsWithin } from '#lib/async'
import { isOutage } from '#product/error-catalogue'
import { errorCodeOf } from './read-objects.ts'
import { NotKept } from './vault-reader.ts'

/** Where one object of a volume may come from, in this order. Only what {@link isOutage} leads from one to the next. */
export interface Sources<T> {
  vault: Vault
  /** Undefined for none. */
  fallback: Vault | undefined
  read(vault: Vault): Promise<T>
  /** Answers from what this node holds, and rejects with {@link NotKept} where it holds nothing. Undefined where it may not. */
  recall: ((vault: Vault) => Promise<T>) | undefined
  /** Whether a token that was just given is all that shows who asks, see `Proof`. */
  needsSignIn: boolean
  /** Called when another source than the vault answers, also that it lacks the object, with the code of the outage. */
  onOther?: ((source: 'fallback' | 'memory', code: string) => void) | undefined
  clock?: Clock | undefined
}

/** How long a source may take before the next one is asked, in milliseconds: longer than one exchange without an answer. */
const patienceMs = 12_000

/** The object from the first source that has it. Throws the vault's error when none has, or what a later one was refused for. */
export async function readInOrder<T>(sources: Sources<T>): Promise<T> {
  const { vault, fallback, read, recall, onOther } = sources
  const first = read(vault)
  if (fallback === undefined && recall === undefined) return first
  const outcome = await within(first, vault, sources.clock)
  if ('value' in outcome) return outcome.value
  const { error } = outcome
  const code = errorCodeOf(error)
  if (!isOutage(code)) throw error
  const notes: string[] = []
  // Both vaults take the same token, so without one there is nothing to ask the other with.
  if (fallback !== undefined && !(error instanceof IdentityError)) {
    const other = await readFallback(sources, fallback, code)
    if ('value' in other) return other.value
    notes.push(`fallback vault "${fallback.name}" cannot answer either [${other.code}]`)
  }
  if (recall !== undefined && mayRecall(sources, outcome)) {
    const kept = await firstKept(recall, fallback === undefined ? [vault] : [vault, fallback])
    if (kept !== undefined) {
      onOther?.('memory', code)
      return kept.value
    }
    notes.push('this node holds no value of it that is young enough for serveStaleFor')
  }
  // Only now there is nothing else to do than to wait.
  if (outcome.isLate) return first
  throw withNotes(error, notes)
}

type Outcome<T> = { value: T } | { error: unknown; isLate: boolean }

async function within<T>(work: Promise<T>, vault: Vault, clock: Clock | undefined): Promise<Outcome<T>> {
  const isInTime = await endsWithin(work, patienceMs, { clock })
  return isInTime ? outcomeOf(work) : { error: lateError(vault), isLate: true }
}

async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work }
  } catch (error) {
    return { error, isLate: false }
  }
}

function lateError({ name, origin }: Vault): VaultError {
  const text = `vault "${name}" (${origin}): no answer within ${patienceMs / 1000} s`
  return new VaultError('vault-timeout', text, { retryable: true })
}

async function readFallback<T>(
  { read, recall, onOther, clock }: Sources<T>,
  fallback: Vault,
  code: string,
): Promise<{ value: T } | { code: string }> {
  const work = read(fallback)
  const outcome = await (recall === undefined ? outcomeOf(work) : within(work, fallback, clock))
  const otherCode = 'value' in outcome ? undefined : errorCodeOf(outcome.error)
  if (otherCode !== undefined && isOutage(otherCode)) return { code: otherCode }
  onOther?.('fallback', code)
  if ('value' in outcome) return outcome
  throw withNotes(outcome.error, [`asked because the vault of the class cannot answer [${code}]`])
}

/** A sign-in that may still be waited for has shown nothing yet. */
function mayRecall<T>({ needsSignIn }: Sources<T>, { error, isLate }: { error: unknown; isLate: boolean }): boolean {
  return !needsSignIn || (error instanceof VaultError && !isLate)
}

async function firstKept<T>(
  recall: (vault: Vault) => Promise<T>,
  vaults: readonly Vault[],
): Promise<{ value: T } | undefined> {
  for (const vault of vaults) {
    try {
      return { value: await recall(vault) }
    } catch (error) {
      if (!(error instanceof NotKept)) throw error
    }
  }
  return undefined
}

/** The same error, with what else was tried. */
function withNotes(error: unknown, notes: readonly string[]): unknown {
  if (notes.length === 0) return error
  const more = (message: string) => [message, ...notes].join('; ')
  if (error instanceof VaultError)
    return new VaultError(error.code, more(error.message), { cause: error, retryable: error.retryable })
  if (error instanceof IdentityError)
    return new IdentityError(error.code, more(error.message), { cause: error, retryable: error.retryable })
  return error
}
