import { createObjectsParser } from '#azure/class'
import type { SecretProviderClass } from '#kubernetes/client'
import { Problems } from '#lib'

const parseObjects = createObjectsParser()

/**
 * Paths of the files that a class may lack: those of its objects with `optional: true`, and any where a `select` has it, as
 * only the vault knows what that finds. Other providers have no such field.
 */
export function optionalPaths({ spec }: SecretProviderClass): { has(path: string): boolean } {
  if (spec?.provider !== 'azure') return new Set()
  const { objects, selects } = parseObjects(spec.parameters?.objects ?? '', new Problems())
  if (selects.some(({ optional }) => optional)) return { has: () => true }
  const paths = objects.flatMap(({ optional, fileName, history, extracts }) => {
    if (!optional) return []
    if (extracts.length > 0) return extracts.map((extract) => extract.fileName)
    return history === 1 ? [fileName] : Array.from({ length: history }, (_, index) => `${fileName}/${index}`)
  })
  return new Set(paths)
}
