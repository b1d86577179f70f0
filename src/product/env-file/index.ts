/**
 * env-file: `keymount env-file`, an init container that writes secrets of a volume as the file that Kubernetes (1.35 and newer)
 * reads environment variables from: without a Kubernetes Secret. It has no rights in the cluster.
 */
export { envFileFlags, envFileProgram, isInside } from './config.ts'
export { EnvFileError } from './env-file-error.ts'
export { formatEnvFile, type Variable, variableName } from './format-env-file.ts'
export { envFileLimits } from './limits.ts'
export { type EnvFileConfig, type Mapping, writeEnvFile } from './write-env-file.ts'
