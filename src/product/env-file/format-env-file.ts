import { isUtf8 } from 'node:buffer'
import { beyondLimit, SecretValue, withUnit } from '#lib'
import { EnvFileError } from './env-file-error.ts'
import { envFileLimits } from './limits.ts'

/** A variable with its value, and where that came from. */
export interface Variable {
  name: string
  /** For messages: the path of a file. */
  source: string
  value: SecretValue
}

/** What kubelet accepts as a name here, and every shell too. */
export const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * The lines `NAME='value'` of a file that kubelet reads for `fileKeyRef`. A value is taken as it is, over several lines too:
 * the format has no escapes. Throws {@link EnvFileError} for values that kubelet would read as something else.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/
 */
export function formatEnvFile(variables: readonly Variable[]): SecretValue {
  const problems = variables.flatMap((variable) => problemOf(variable) ?? [])
  if (problems.length > 0) throw new EnvFileError('env-value-not-representable', problems.slice(0, 20).join('; '))
  if (variables.length > envFileLimits.variables.value)
    throw new EnvFileError('env-file-too-large', beyondLimit(envFileLimits.variables, variables.length))
  const lines = variables.map(({ name, value }) =>
    Buffer.concat([Buffer.from(`${name}='`), value.reveal(), Buffer.from("'\n")]),
  )
  const file = Buffer.concat(lines)
  if (file.length > envFileLimits.file.value)
    throw new EnvFileError('env-file-too-large', `${beyondSize}, and all values together are larger`)
  return SecretValue.of(file)
}

/** Without the size that was found: no message has the length of a value. */
const beyondSize = `${envFileLimits.file.what}: at most ${withUnit(envFileLimits.file.value, 'bytes')} are accepted`

function problemOf({ name, source, value }: Variable): string | undefined {
  const fault = faultOf(value)
  return fault === undefined
    ? undefined
    : `the value of ${source} cannot be the environment variable ${name}: ${fault}; expected UTF-8 text that is not empty, without ', NUL and CR LF: let the application read the file`
}

/**
 * What kubelet would not read as it is. It ends a value at the first quote, drops the CR of every CR LF, and takes an empty
 * value for a variable that is missing; the container runtime only takes UTF-8 without NUL.
 */
function faultOf(value: SecretValue): string | undefined {
  const bytes = Buffer.from(value.reveal())
  if (bytes.length === 0) return 'it is empty'
  if (bytes.includes("'")) return "it has a single quote (')"
  if (bytes.includes(0)) return 'it has a NUL byte'
  if (bytes.includes('\r\n')) return 'it has line ends of Windows (CR LF)'
  if (!isUtf8(bytes)) return 'it is not UTF-8'
  return undefined
}
