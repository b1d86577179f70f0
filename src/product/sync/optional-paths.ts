import { createObjectsParser } from '#azure/class'
import type { SecretProviderClass } from '#kubernetes/client'
import { Problems } from '#lib'

const parseObjects = createObjectsParser()

/** Paths of the files that a class may lack: those of its objects with `optional: true`. Other providers have no such field. */
export function optionalPaths({ spec }: SecretProviderClass): ReadonlySet<string> {
  if (spec?.provider !== 'azure') return new Set()
  const objects = parseObjects(spec.parameters?.objects ?? '', new Problems())
  const paths = objects.flatMap(({ optional, fileName, history, extracts }) => {
    if (!optional) return []
    if (extracts.length > 0) return extracts.map((extract) => extract.fileName)
    return history === 1 ? [fileName] : Array.from({ length: history }, (_, index) => `${fileName}/${index}`)
  })
  return new Set(paths)
}
