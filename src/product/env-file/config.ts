import { posix } from 'node:path'
import { versionFlag } from '#daemon'
import type { Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { variableName } from './format-env-file.ts'
import type { EnvFileConfig, Mapping } from './write-env-file.ts'

/** `docs/flags.md` is generated from this. */
export const envFileFlags = {
  from: { type: 'string', default: '', help: 'Directory where the volume with secrets is mounted; required' },
  to: {
    type: 'string',
    default: '',
    help: 'File to write, in an emptyDir that fileKeyRef of the containers names; required',
  },
  map: {
    type: 'strings',
    default: [],
    help: 'VARIABLE=FILE: the variable gets the content of this file of --from; may be given several times',
  },
  all: {
    type: 'boolean',
    default: false,
    help: 'One variable for every file of --from: db-password becomes DB_PASSWORD',
  },
  prefix: { type: 'string', default: '', help: 'Put before the names of --all' },
  version: versionFlag,
} as const satisfies FlagSpecs

export const envFileProgram: Program<typeof envFileFlags, EnvFileConfig> = {
  name: 'env-file',
  summary: 'Init container that writes secrets of a volume as a file that Kubernetes reads environment variables from.',
  flags: envFileFlags,
  configure,
}

function configure(flags: FlagValues<typeof envFileFlags>, _env: Environment, problems: Problems): EnvFileConfig {
  for (const [name, path] of [
    ['--from', flags.from],
    ['--to', flags.to],
  ] as const)
    if (!path.startsWith('/')) problems.unexpected(name, path, 'an absolute path')
  if (flags.map.length === 0 && !flags.all) problems.add('--map', 'missing; expected VARIABLE=FILE, or --all')
  if (flags.prefix !== '' && !flags.all) problems.add('--prefix', 'needs --all')
  else if (flags.prefix !== '' && !variableName.test(flags.prefix))
    problems.unexpected('--prefix', flags.prefix, 'letters, digits and _, not beginning with a digit')
  return {
    from: flags.from,
    to: flags.to,
    mappings: mappingsOf(flags.map, problems),
    all: flags.all ? { prefix: flags.prefix } : undefined,
  }
}

function mappingsOf(texts: readonly string[], problems: Problems): Mapping[] {
  const mappings = new Map<string, Mapping>()
  for (const text of texts) {
    const mapping = mappingOf(text)
    if (mapping === undefined) problems.unexpected('--map', text, mappingForm)
    else if (mappings.has(mapping.name)) problems.add('--map', `${mapping.name} is given twice`)
    else mappings.set(mapping.name, mapping)
  }
  return [...mappings.values()]
}

const mappingForm = 'VARIABLE=FILE: letters, digits and _, not beginning with a digit, and a path inside --from'

/** `VARIABLE=FILE`, or undefined for anything else. */
function mappingOf(text: string): Mapping | undefined {
  const at = text.indexOf('=')
  const [name, file] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)]
  return variableName.test(name) && isInside(file) ? { name, file } : undefined
}

/** Whether a path is relative and stays below the directory that it is joined to. */
export function isInside(path: string): boolean {
  return (
    path !== '' &&
    !path.startsWith('/') &&
    !path.includes('\0') &&
    posix.normalize(path) === path &&
    !/^\.\.?(\/|$)/.test(path) &&
    !path.endsWith('/')
  )
}
