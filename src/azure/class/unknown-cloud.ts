import { cloudNames } from '#azure/identity'

/** Upstream's words for a cloud that does not exist. */
export function unknownCloud(name: string): string {
  const words = `cloudName ${name} is not valid, error: autorest/azure: There is no cloud environment matching the name "${name.toUpperCase()}"`
  return `${words} (expected one of ${cloudNames.join(', ')})`
}
