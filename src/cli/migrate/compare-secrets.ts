import { createHmac, createPrivateKey, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isForbidden, isNotFound, isObjectName, type KubeClient, objectNameForm, resources } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { decodePem, encodePem } from '#lib/formats'
import { CliError, type CliWorld, countOf, createTerminal, exitCodes, oneLine, type Terminal } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import type { ClusterOption } from '../options.ts'
import type { SecretPair } from './draft.ts'
import { migrateLimits } from './migrate-limits.ts'

export interface CompareCommand {
  /** A directory that `keymount migrate` wrote, or pairs `OLD=NEW`. */
  what: readonly string[]
  namespace: string | undefined
  json: boolean
  cluster: ClusterOption
  world: CliWorld
}

type Verdict = 'equal' | 'equal in another form' | 'different' | 'only in the old one' | 'only in the new one'

/** Verdicts about two Secrets by key: never a value, a hash or a length. */
export interface Comparison extends SecretPair {
  /** Whether everything is equal; undefined where a Secret cannot be read. */
  equal: boolean | undefined
  /** `type` is the type of the Secret. */
  type: 'equal' | 'different' | undefined
  keys: Readonly<Record<string, Verdict>>
  /** Why a Secret cannot be read. */
  problem: string | undefined
}

/** `keymount migrate compare`: whether new Secrets have what the old ones have. */
export async function compareSecrets(command: CompareCommand): Promise<number> {
  const { what, namespace, json, cluster, world } = command
  const terminal = createTerminal(world)
  const pairs = what.flatMap(pairsOf)
  return withCluster(cluster, world, async ({ kube, config }) => {
    const usual = namespace ?? config.namespace ?? 'default'
    const placed = pairs.map((pair) => (pair.namespace === '' ? { ...pair, namespace: usual } : pair))
    const hash = hashOfThisRun()
    const comparisons = await terminal.wait('comparing Secrets', async () => {
      const found: Comparison[] = []
      for (const pair of placed) found.push(await compare(kube, pair, hash, world.signal))
      return found
    })
    if (json) terminal.line(JSON.stringify({ version: 1, secrets: comparisons }, undefined, 2))
    else print(comparisons, terminal)
    if (comparisons.some(({ problem }) => problem !== undefined)) return exitCodes.usage
    return comparisons.every(({ equal }) => equal) ? exitCodes.ok : exitCodes.failed
  })
}

function pairsOf(word: string): SecretPair[] {
  const file = join(word, 'secrets.tsv')
  if (existsSync(file)) return readPairs(file)
  const [, old, new_] = /^([^=]*)=([^=]*)$/.exec(word) ?? []
  if (old === undefined || new_ === undefined)
    throw new CliError({
      what: `Cannot compare ${word}`,
      why: `it is not a pair OLD=NEW, and there is no ${file}`,
      fix: ['name the directory that keymount migrate wrote', 'or two Secrets: keymount migrate compare OLD=NEW'],
      code: 'usage',
    })
  const wrong = wrongName({ OLD: old, NEW: new_ })
  if (wrong !== undefined) throw new CliError({ what: `Cannot compare ${oneLine(word)}`, why: wrong, code: 'usage' })
  return [{ namespace: '', old, new: new_ }]
}

const maxFileBytes = 16 * 1024 * 1024

function readPairs(file: string): SecretPair[] {
  const refuse = (why: string) => new CliError({ what: `${file} cannot be read`, why, code: 'usage' })
  const { size } = statSync(file)
  if (size > maxFileBytes) throw refuse(`it has ${size} bytes, more than ${maxFileBytes}`)
  const pairs: SecretPair[] = []
  for (const [index, row] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (index === 0 || row === '') continue
    const line = `line ${index + 1}`
    const [namespace = '', old = '', new_ = '', ...rest] = row.split('\t')
    if (rest.length > 0 || new_ === '') throw refuse(`${line}: expected namespace, old and new name, separated by tabs`)
    const wrong = wrongName({ ...(namespace === '' ? {} : { namespace }), 'old name': old, 'new name': new_ })
    if (wrong !== undefined) throw refuse(`${line}, ${wrong}`)
    pairs.push({ namespace, old, new: new_ })
    if (pairs.length > migrateLimits.objects.value)
      throw refuse(`it has more than ${migrateLimits.objects.value} lines`)
  }
  if (pairs.length === 0) throw refuse('expected lines of namespace, old and new name, separated by tabs; found none')
  return pairs
}

/** What is wrong with names that become part of a path of the API server, such as `..`; each by its field. Undefined: nothing. */
function wrongName(names: Readonly<Record<string, string>>): string | undefined {
  for (const [field, name] of Object.entries(names))
    if (!isObjectName(name)) return `${field}: found ${JSON.stringify(name.slice(0, 100))}, expected ${objectNameForm}`
  return undefined
}

/** With a key that exists only now: a hash that got out would reveal nothing. */
function hashOfThisRun(): (value: string) => string {
  const key = randomBytes(32)
  return (value) => createHmac('sha256', key).update(value).digest('base64')
}

interface Hashed {
  type: string
  keys: ReadonlyMap<string, ValueHash>
}

interface ValueHash {
  exact: string
  /** Of what a PEM text means: the same key may be written as PKCS #1 and as PKCS #8. Undefined for other values. */
  meaning: string | undefined
}

function hashOf(value: string, hash: (value: string) => string): ValueHash {
  const meaning = meaningOfPem(Buffer.from(value, 'base64').toString('latin1'))
  return { exact: hash(value), meaning: meaning === undefined ? undefined : hash(meaning) }
}

/** Certificates and keys of a PEM text as DER in base64, keys as PKCS #8; undefined for any other text. */
function meaningOfPem(text: string): string | undefined {
  if (!text.includes('-----BEGIN ')) return undefined
  try {
    const blocks = decodePem(text).map(({ label, der }) => {
      if (!label.endsWith('PRIVATE KEY')) return `${label} ${Buffer.from(der).toString('base64')}`
      const key = createPrivateKey(encodePem({ label, der }))
      return `key ${key.export({ type: 'pkcs8', format: 'der' }).toString('base64')}`
    })
    return blocks.join('\n')
  } catch {
    return undefined
  }
}

async function compare(
  kube: KubeClient,
  pair: SecretPair,
  hash: (value: string) => string,
  signal: AbortSignal,
): Promise<Comparison> {
  const read = async (name: string): Promise<Hashed | { why: string }> => {
    try {
      const { type = 'Opaque', data } = await kube.get(
        resources.secrets,
        { namespace: pair.namespace, name },
        { signal },
      )
      return { type, keys: new Map(Object.entries(data ?? {}).map(([key, value]) => [key, hashOf(value, hash)])) }
    } catch (error) {
      if (signal.aborted) throw error
      return { why: whyNot(error, name) }
    }
  }
  const [before, after] = [await read(pair.old), await read(pair.new)]
  const why = [before, after].flatMap((one) => ('why' in one ? [one.why] : []))
  if ('why' in before || 'why' in after)
    return { ...pair, equal: undefined, type: undefined, keys: {}, problem: why.join('; ') }
  const names = [...new Set([...before.keys.keys(), ...after.keys.keys()])].toSorted()
  const keys = Object.fromEntries(names.map((name) => [name, verdict(before.keys.get(name), after.keys.get(name))]))
  const type = before.type === after.type ? 'equal' : 'different'
  const equal = type === 'equal' && Object.values(keys).every((one) => one.startsWith('equal'))
  return { ...pair, equal, type, keys, problem: undefined }
}

function whyNot(error: unknown, name: string): string {
  if (isNotFound(error)) return `there is no Secret "${name}"`
  if (isForbidden(error)) return `you have no right to get the Secret "${name}"`
  return errorMessage(error)
}

function verdict(before: ValueHash | undefined, after: ValueHash | undefined): Verdict {
  if (before === undefined) return 'only in the new one'
  if (after === undefined) return 'only in the old one'
  if (before.exact === after.exact) return 'equal'
  return before.meaning !== undefined && before.meaning === after.meaning ? 'equal in another form' : 'different'
}

function print(comparisons: readonly Comparison[], { line, style }: Terminal): void {
  for (const { namespace, old, new: new_, equal, type, keys, problem } of comparisons) {
    const mark = equal === true ? style.good('✓') : style.bad('✗')
    const names = Object.keys(keys)
    const text = problem ?? (equal === true ? `equal (${countOf(names.length, 'key')})` : 'different')
    line(`${mark} ${namespace}/${old} and ${new_}: ${text}`)
    if (type === 'different') line('    type: different')
    for (const name of names) if (equal === false || keys[name] !== 'equal') line(`    ${name}: ${keys[name] ?? ''}`)
  }
  const equal = comparisons.filter((one) => one.equal === true).length
  line(`${equal} of ${countOf(comparisons.length, 'Secret')} equal`)
}
