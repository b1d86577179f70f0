import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, errorMessage, SecretValue } from '#lib'
import { replaceFile } from '#lib/files'
import { EnvFileError } from './env-file-error.ts'
import { formatEnvFile, type Variable, variableName } from './format-env-file.ts'
import { envFileLimits } from './limits.ts'

/** A variable, and the path of its file below {@link EnvFileConfig.from}. */
export interface Mapping {
  name: string
  file: string
}

export interface EnvFileConfig {
  /** Directory with the files. */
  from: string
  /** File to write. */
  to: string
  mappings: readonly Mapping[]
  /** A variable for every file of `from`, beside those of `mappings`. */
  all: { prefix: string } | undefined
}

/** Writes the file, whole or not at all, with mode 0600. Returns the names of the variables. Throws {@link EnvFileError}. */
export function writeEnvFile({ from, to, mappings, all }: EnvFileConfig): string[] {
  const wanted = all === undefined ? mappings : [...mappings, ...everyFile(from, all.prefix, mappings)]
  const file = formatEnvFile(readTogether(from, wanted))
  try {
    replaceFile(to, file.reveal())
  } catch (error) {
    throw new EnvFileError('env-file-not-written', `cannot write ${to}: ${errorMessage(error)}`, { cause: error })
  }
  return wanted.map(({ name }) => name)
}

/** The files of a volume, which Kubernetes' atomic writer shows as links. Throws if two would be the same variable. */
function everyFile(from: string, prefix: string, mappings: readonly Mapping[]): Mapping[] {
  const owners = new Map(mappings.map(({ name, file }) => [name, file]))
  const found: Mapping[] = []
  for (const file of listFiles(from)) {
    const name = `${prefix}${file.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')}`
    const owner = owners.get(name)
    if (owner === file) continue
    if (owner !== undefined)
      throw new EnvFileError('env-name-invalid', `${owner} and ${file} would both be the variable ${name}; use --map`)
    if (!variableName.test(name))
      throw new EnvFileError('env-name-invalid', `${file} would be the variable ${name}; use --prefix, or --map`)
    owners.set(name, file)
    found.push({ name, file })
  }
  return found
}

function listFiles(from: string): string[] {
  const names = attempt(from, () => readdirSync(from))
  const files = names.filter(
    (name) => !name.startsWith('..') && attempt(name, () => statSync(join(from, name)).isFile()),
  )
  if (files.length === 0) throw new EnvFileError('env-source-missing', `there is no file in ${from}`)
  return files.toSorted()
}

const attempts = 5

/**
 * The values of all files. A rotation may switch a volume to its next files meanwhile, so they are read until all are still
 * the same files afterwards: a user name and its password belong together.
 */
function readTogether(from: string, mappings: readonly Mapping[]): Variable[] {
  const places = () => mappings.map(({ file }) => attempt(file, () => realpathSync(join(from, file)))).join('\n')
  for (let attemptsLeft = attempts; ; attemptsLeft--) {
    const before = places()
    const variables = mappings.map(({ name, file }) => ({ name, source: file, value: readValue(from, file) }))
    if (places() === before || attemptsLeft === 1) return variables
  }
}

function readValue(from: string, file: string): SecretValue {
  return attempt(file, () => {
    const path = join(from, file)
    const { size } = statSync(path)
    if (size > envFileLimits.file.value)
      throw new EnvFileError(
        'env-file-too-large',
        `${file} alone is larger than a file with environment variables may be`,
      )
    return SecretValue.of(readFileSync(path))
  })
}

/** Turns an error of the file system into ours, with what would be right. */
function attempt<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof EnvFileError) throw error
    if (errorCode(error) === 'ENOENT')
      throw new EnvFileError('env-source-missing', `${file} is not in the volume; expected a file of its class`, {
        cause: error,
      })
    throw new EnvFileError('env-source-unreadable', `cannot read ${file}: ${errorMessage(error)}`, { cause: error })
  }
}
