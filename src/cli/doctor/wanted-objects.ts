import { signInOf } from '../identity/doctor/check-class.ts'
import type { WantedObject } from './azure-facts.ts'
import type { PodFacts } from './pod-facts.ts'

/** The objects that the classes of a pod name. */
export function wantedObjects({ cluster: { classes, account } }: Pick<PodFacts, 'cluster'>): WantedObject[] {
  const annotations = 'value' in account ? (account.value?.metadata.annotations ?? {}) : {}
  return classes.flatMap((mounted) => {
    const signIn = signInOf(mounted, annotations)
    return (signIn?.spec.objects ?? []).map((object) => ({
      object,
      className: mounted.className,
      vaultName: object.vaultName ?? signIn?.spec.values.keyvaultName ?? '',
    }))
  })
}
