import { recordOf, stringOf } from '#lib/formats'
import type { AdmittedVolume } from './parse-pod.ts'

/** The SecretProviderClass of a volume; undefined for volumes of other kinds. */
export function classOf({ csi }: AdmittedVolume): string | undefined {
  return stringOf(recordOf(recordOf(csi)?.volumeAttributes)?.secretProviderClass)
}
