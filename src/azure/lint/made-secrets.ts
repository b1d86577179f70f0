import { classLimits } from '#azure/class'
import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import type { ClassManifest } from './class-manifest.ts'
import type { Manifest } from './read-manifests.ts'
import type { Path } from './yaml-document.ts'

/** A Secret that a class (`secretObjects`, while a pod mounts it) or a SecretSync makes. */
export interface MadeSecret {
  manifest: Manifest
  /** Of what describes it in the manifest. */
  path: Path
  by: 'class' | 'sync'
  /** The class that its values come from. */
  className: string
  name: string
  type: string
  keys: readonly string[]
}

export function secretsOfClass({ manifest }: ClassManifest): MadeSecret[] {
  const entries = (listOf(valueAt(manifest.value, 'spec', 'secretObjects')) ?? []).slice(
    0,
    classLimits.secretObjects.value,
  )
  return entries.flatMap((one, index): MadeSecret[] => {
    const name = stringOf(valueAt(one, 'secretName'))?.trim() ?? ''
    if (name === '') return []
    const path = ['spec', 'secretObjects', index]
    const type = stringOf(valueAt(one, 'type'))?.trim() ?? ''
    return [{ manifest, path, by: 'class', className: manifest.name, name, type, keys: keysOf(one, 'key') }]
  })
}

export function secretsOfSync(manifest: Manifest): MadeSecret[] {
  const secret = recordOf(valueAt(manifest.value, 'spec', 'secretObject'))
  if (manifest.name === '' || secret === undefined) return []
  return [
    {
      manifest,
      path: ['spec', 'secretObject'],
      by: 'sync',
      className: stringOf(valueAt(manifest.value, 'spec', 'secretProviderClassName')) ?? '',
      name: manifest.name,
      type: stringOf(secret.type)?.trim() ?? 'Opaque',
      keys: keysOf(secret, 'targetKey'),
    },
  ]
}

function keysOf(secret: unknown, field: string): string[] {
  const rows = (listOf(valueAt(secret, 'data')) ?? []).slice(0, classLimits.secretData.value)
  return rows.flatMap((row) => stringOf(valueAt(row, field))?.trim() ?? [])
}
