import { setImmediate } from 'node:timers/promises'
import {
  type ClassSpec,
  classLimits,
  compileNamePattern,
  type NamePattern,
  namedFiles,
  type ObjectSpec,
  type SelectSpec,
  selectedFileName,
} from '#azure/class'
import { IdentityError } from '#azure/identity'
import { type ObjectDetails, singular, VaultError } from '#azure/keyvault'
import { beyondLimit, type Clock, errorMessage, withUnit } from '#lib'
import { MountError } from './mount-error.ts'
import { providerLimits } from './provider-limits.ts'
import { errorCodeOf } from './read-objects.ts'
import { collections } from './vault-reader.ts'

export interface SelectOptions {
  /** All objects of the type in the select's vault. */
  list(select: SelectSpec): Promise<readonly ObjectDetails[]>
  /** The vault's name, for messages. */
  vaultNameOf(select: SelectSpec): string
  /** Who asks, in words; at the end of an error of a vault. */
  identity: string
  clock: Clock
}

/** The objects of every entry with `select`, by name; each becomes one file. Throws {@link MountError}, also for too many. */
export async function selectObjects(spec: ClassSpec, options: SelectOptions): Promise<readonly ObjectSpec[]> {
  const { selects } = spec
  const lists = await Promise.all(selects.map((select) => options.list(select).catch(listFailure(select, options))))
  const work: Work = { left: providerLimits.selectSteps.value, sinceYield: 0 }
  const chosen: Chosen[] = []
  for (const [index, select] of selects.entries())
    chosen.push({ select, matching: await matchingObjects(select, lists[index] ?? [], { ...options, work }) })
  checkCount(spec, chosen)
  const found = chosen.flatMap(({ select, matching }) => matching.map((object) => objectOf(select, object)))
  checkFileNames(spec, found)
  return found
}

function listFailure({ path, type }: SelectSpec, { identity }: SelectOptions): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof VaultError) && !(error instanceof IdentityError)) throw error
    const asked = error instanceof VaultError ? `; asked as ${identity}` : ''
    const text = `failed to list ${collections[type]} for ${path}.select: ${errorMessage(error)}${asked}`
    throw new MountError(errorCodeOf(error), text, { cause: error, retryable: error.retryable })
  }
}

/** What the patterns of a mount may still cost: they are a tenant's, and so may be the names. */
interface Work {
  left: number
  sinceYield: number
}

type Matching = SelectOptions & { work: Work }

async function matchingObjects(
  select: SelectSpec,
  listed: readonly ObjectDetails[],
  { work, clock, vaultNameOf }: Matching,
): Promise<readonly ObjectDetails[]> {
  const pattern = compiled(select.namePattern)
  const exclude = compiled(select.exclude)
  const now = clock.now() / 1000
  const fits = async (one: NamePattern, name: string) => {
    await takeTurn(select, work)
    return one.matches(name, (steps) => spend(work, steps))
  }
  const found: ObjectDetails[] = []
  for (const object of listed) {
    if (!isUsable(object, now) || !hasTags(object, select.tags)) continue
    if (pattern !== undefined && !(await fits(pattern, object.name))) continue
    if (exclude !== undefined && (await fits(exclude, object.name))) continue
    found.push(object)
  }
  const vault = `vault "${vaultNameOf(select)}"`
  if (found.length === 0 && !select.optional) throw nothingFound(select, listed.length, vault)
  if (found.length > select.limit) throw tooMany(select, found.length, vault)
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function compiled(text: string): NamePattern | undefined {
  const pattern = text === '' ? undefined : compileNamePattern(text)
  // The class was parsed: its patterns compile.
  return pattern === undefined || 'fault' in pattern ? undefined : pattern
}

function spend(work: Work, steps: number): void {
  work.left -= steps
  work.sinceYield += steps
}

/** About 10 ms of work, after which others have a turn. */
const stepsOfTurn = 500_000

async function takeTurn({ path }: SelectSpec, work: Work): Promise<void> {
  if (work.left < 0) {
    const { selectSteps } = providerLimits
    const text = `${path}.select: the patterns of the class take more than the ${withUnit(selectSteps.value, 'count')} steps they may take; make them simpler`
    throw new MountError('select-too-many', text)
  }
  if (work.sinceYield < stepsOfTurn) return
  work.sinceYield = 0
  await setImmediate()
}

/** Neither disabled, expired, not valid yet, nor a part of a certificate; nor of a name that no vault gives. */
function isUsable({ name, managed, attributes }: ObjectDetails, now: number): boolean {
  const { enabled, nbf, exp } = attributes
  if (enabled === false || managed) return false
  if ((nbf !== undefined && nbf > now) || (exp !== undefined && exp <= now)) return false
  return /^[0-9A-Za-z-]{1,127}$/.test(name)
}

function hasTags({ tags }: ObjectDetails, wanted: ReadonlyMap<string, string>): boolean {
  return [...wanted].every(([key, value]) => (value === '*' ? tags.has(key) : tags.get(key) === value))
}

function nothingFound({ path, type, namePattern }: SelectSpec, total: number, vault: string): MountError {
  const hint = namePattern === '' ? '' : '; namePattern is for the whole name, as in app-.*'
  const text = `${path}.select: none of the ${total} ${collections[type]} that ${vault} lists fits (disabled, expired and managed ones never do)${hint}; optional: true accepts that`
  return new MountError('select-nothing-found', text)
}

function tooMany({ path, type, limit }: SelectSpec, count: number, vault: string): MountError {
  const most = classLimits.selected.value
  const advice = limit < most ? `limit raises it, up to ${most}` : 'select fewer'
  const text = `${path}.select: ${count} ${collections[type]} of ${vault} fit, more than the limit of ${limit}; ${advice}`
  return new MountError('select-too-many', text)
}

interface Chosen {
  select: SelectSpec
  matching: readonly ObjectDetails[]
}

/** Before anything is made of them: objects × jsonPath entries are many more than either. */
function checkCount({ objects, templates }: ClassSpec, chosen: readonly Chosen[]): void {
  const { files } = classLimits
  const written = objects.map(({ extracts, history }) => Math.max(extracts.length, 1) * Math.max(history, 1))
  const selected = chosen.map(({ select, matching }) => matching.length * Math.max(select.extracts.length, 1))
  const count = [...written, ...selected].reduce((sum, made) => sum + made, templates.length)
  if (count > files.value) throw new MountError('select-too-many', `objects: ${beyondLimit(files, count)}`)
}

function objectOf(select: SelectSpec, object: ObjectDetails): ObjectSpec {
  const { path, type, format, encoding, mode, vaultName, onlyTemplates } = select
  const file = selectedFileName(select, object)
  if ('fault' in file) {
    const what = `${singular(collections[type])} "${object.name}"`
    throw new MountError('select-file-name', `${path}.fileName: ${what}: ${file.fault}`)
  }
  const extracts = select.extracts.map((extract) => ({
    ...extract,
    fileName: extract.fileName === '' ? file.path : `${file.path}/${extract.fileName}`,
  }))
  const plain = { version: '', history: 1, optional: false, selected: true }
  return {
    path,
    type,
    name: object.name,
    fileName: file.path,
    format,
    encoding,
    mode,
    vaultName,
    onlyTemplates,
    extracts,
    ...plain,
  }
}

/** Which file is whose would be decided by chance otherwise. */
function checkFileNames({ objects, templates }: ClassSpec, selected: readonly ObjectSpec[]): void {
  const ofTemplates = new Set(namedFiles({ objects: [], templates }).map(({ path }) => path))
  const owners = new Map<string, string>()
  for (const object of [...objects, ...selected]) {
    const owner = `${object.type} "${object.name}"${object.vaultName === undefined ? '' : ` of vault "${object.vaultName}"`}`
    for (const { path } of namedFiles({ objects: [{ ...object, onlyTemplates: false }], templates: [] })) {
      const before = owners.get(path)
      // An object that only templates use has a name for them, and no file that could be in the way of theirs.
      const isTemplate = ofTemplates.has(path) && !object.onlyTemplates
      if (isTemplate || (before !== undefined && before !== owner && object.selected)) {
        const other = isTemplate ? 'a template' : before
        const text = `${object.path}: "${path}" is the file of ${other} and of ${owner}; give one of them another fileName`
        throw new MountError('select-file-name', text)
      }
      owners.set(path, owner)
    }
  }
}
