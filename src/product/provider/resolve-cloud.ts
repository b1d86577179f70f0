import { type ParameterValues, unknownCloud } from '#azure/class'
import { type Cloud, findCloud, isStackCloud, parseCloudFile, stackCloud } from '#azure/identity'
import { errorMessage } from '#lib'
import { type CloudFiles, readCloudFile } from './cloud-file.ts'
import { MountError } from './mount-error.ts'

export interface CloudDefaults extends CloudFiles {
  /** Cloud of classes that name none. */
  cloudName: string
}

/** The cloud that a class means. The environment file is read each time, and its path never outlives the request. */
export async function resolveCloud(
  { cloudName, cloudEnvFileName }: Pick<ParameterValues, 'cloudName' | 'cloudEnvFileName'>,
  defaults: CloudDefaults,
): Promise<Cloud> {
  const name = cloudName || defaults.cloudName
  if (isStackCloud(name)) return readStackCloud(cloudEnvFileName, defaults)
  const cloud = findCloud(name)
  if (cloud !== undefined) return cloud
  throw new MountError('cloud-unknown', unknownCloud(name))
}

async function readStackCloud(file: string, defaults: CloudDefaults): Promise<Cloud> {
  try {
    return parseCloudFile(await readCloudFile(file, defaults))
  } catch (error) {
    throw new MountError('cloud-unknown', `cloudName ${stackCloud} is not valid, error: ${errorMessage(error)}`)
  }
}
