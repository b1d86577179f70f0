import { readFile } from 'node:fs/promises'
import { type ParameterValues, unknownCloud } from '#azure/class'
import { type Cloud, findCloud, isStackCloud, parseCloudFile, stackCloud } from '#azure/identity'
import { errorCode, errorMessage } from '#lib'
import { MountError } from './mount-error.ts'

export interface CloudDefaults {
  /** Cloud of classes that name none. */
  cloudName: string
  /** Environment file of classes in AzureStackCloud that name none; empty for none. */
  cloudFile: string
}

/** The cloud that a class means. The environment file is read anew each time, and its path never outlives the request. */
export async function resolveCloud(
  { cloudName, cloudEnvFileName }: Pick<ParameterValues, 'cloudName' | 'cloudEnvFileName'>,
  defaults: CloudDefaults,
): Promise<Cloud> {
  const name = cloudName || defaults.cloudName
  if (isStackCloud(name)) return readCloudFile(cloudEnvFileName || defaults.cloudFile)
  const cloud = findCloud(name)
  if (cloud !== undefined) return cloud
  throw new MountError('cloud-unknown', unknownCloud(name))
}

async function readCloudFile(path: string): Promise<Cloud> {
  const fail = (reason: string) =>
    new MountError('cloud-unknown', `cloudName ${stackCloud} is not valid, error: ${reason}`)
  if (path === '') {
    throw fail(
      'open : no such file or directory (set cloudEnvFileName in the class, or AZURE_ENVIRONMENT_FILEPATH of the provider)',
    )
  }
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const reason = errorCode(error) === 'ENOENT' ? 'no such file or directory' : errorMessage(error)
    throw fail(`open ${path}: ${reason} (a path in the provider's container)`)
  }
  try {
    return parseCloudFile(text)
  } catch (error) {
    throw fail(`${path}: ${errorMessage(error)}`)
  }
}
