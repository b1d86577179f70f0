import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { beyondLimit, errorCode } from '#lib'
import { providerLimits } from './provider-limits.ts'

/** Environment files of AzureStackCloud that classes may name. */
export interface CloudFiles {
  /** File of classes that name none; empty for none. */
  cloudFile: string
  /** Directory whose files classes may name; empty for none. */
  cloudFiles: string
}

/**
 * The text of the environment file that a class names: `cloudFile` exactly, or a file directly in `cloudFiles`, by its bare
 * name or by a full path that leads there. A class could otherwise have any file of the provider's container read, or one that
 * never ends. The administrator who fills the directory vouches for the endpoints in it: tokens are sent there.
 *
 * Throws without quoting the file.
 */
export async function readCloudFile(named: string, { cloudFile, cloudFiles }: CloudFiles): Promise<string> {
  if (named === '' && cloudFile === '') {
    throw new Error(
      'open : no such file or directory (set cloudEnvFileName in the class, or AZURE_ENVIRONMENT_FILEPATH of the provider)',
    )
  }
  const path = named === '' || named === cloudFile ? cloudFile : await pathIn(cloudFiles, named)
  const file = await openRegular(path, named || path)
  try {
    return await readBounded(file, named || path)
  } finally {
    await file.close()
  }
}

/** Files of a mounted ConfigMap are links to others of the same volume, so it is their final path that has to be inside. */
async function pathIn(directory: string, named: string): Promise<string> {
  if (directory === '') {
    throw new Error(`cloudEnvFileName ${named}: classes may name no file here; the provider has no --cloud-files`)
  }
  const refused = `cloudEnvFileName ${named}: expected the name of a file in ${directory}, the provider's --cloud-files`
  const path = isAbsolute(named) ? normalize(named) : join(directory, named)
  const isPath = !isAbsolute(named) && /[/\\]/.test(named)
  if (isPath || named.includes('\0') || named === '.' || named === '..') throw new Error(refused)
  const inside = await realpath(directory)
  // First of all the parent, so that no answer reveals whether a file elsewhere exists.
  const parent = await realpath(dirname(path)).catch(() => undefined)
  if (parent !== inside) throw new Error(refused)
  const found = await realpath(path).catch((error: unknown) => {
    throw new Error(errorCode(error) === 'ENOENT' ? `open ${named}: no such file or directory` : refused)
  })
  if (!found.startsWith(`${inside}/`)) throw new Error(refused)
  return found
}

/** Neither waits for a writer of a named pipe, nor follows a link that was put there since. */
async function openRegular(path: string, named: string): Promise<FileHandle> {
  let file: FileHandle
  try {
    const real = await realpath(path)
    file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (error) {
    const reason =
      errorCode(error) === 'ENOENT' ? 'no such file or directory' : (errorCode(error) ?? 'cannot be opened')
    throw new Error(`open ${named}: ${reason} (a path in the provider's container)`)
  }
  try {
    const { size } = await file.stat()
    if (!(await file.stat()).isFile()) throw new Error(`${named}: is not a regular file`)
    const limit = providerLimits.cloudFileBytes
    if (size > limit.value) throw new Error(`${named}: ${beyondLimit(limit, size)}`)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** A file may grow while it is read, and files of /proc have size 0. */
async function readBounded(file: FileHandle, named: string): Promise<string> {
  const limit = providerLimits.cloudFileBytes
  const buffer = Buffer.alloc(limit.value + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length)
    if (bytesRead === 0) return buffer.toString('utf8', 0, length)
    length += bytesRead
    if (length > limit.value) throw new Error(`${named}: ${beyondLimit(limit, length)}`)
  }
}
