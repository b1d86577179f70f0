import type { PodSpec, Volume } from '#kubernetes/client'
import { driverName } from '#lab/home'

/** A volume of the driver, and the class that it names; empty if it names none. */
export interface ClassVolume {
  className: string
  volume: Volume
}

/** The volumes of a pod, or of the pods of a workload, that mount a SecretProviderClass. */
export function classVolumes({ volumes = [] }: Pick<PodSpec, 'volumes'>): ClassVolume[] {
  return volumes
    .filter(({ csi }) => csi?.driver === driverName)
    .map((volume) => ({ className: volume.csi?.volumeAttributes?.secretProviderClass ?? '', volume }))
}
