import type { Path } from '#azure/lint'
import { listOf, recordOf } from '#lib/formats'
import type { Work } from './work.ts'

/** Fields of an object that a conversion knows: with `true`, whatever is below; with a list, the same for each entry. */
export type KnownFields = { readonly [field: string]: KnownFields | readonly [KnownFields] | true }

/** Reports fields that the conversion does not know: leaving them out could change what the object means. */
export function reportUnknownFields(work: Work, known: KnownFields, under = 'spec'): void {
  visit(work, work.valueAt(under), known, [under])
}

function visit(work: Work, value: unknown, known: KnownFields, path: Path): void {
  for (const [field, one] of Object.entries(recordOf(value) ?? {})) {
    const at = [...path, field]
    const below = Object.hasOwn(known, field) ? known[field] : undefined
    if (below === undefined) work.add('KM001', `the field ${fieldText(at)} is not known`, { path: at })
    else if (Array.isArray(below)) {
      const [entry] = below as readonly [KnownFields]
      for (const [index, item] of (listOf(one) ?? []).entries()) visit(work, item, entry, [...at, index])
    } else if (below !== true) visit(work, one, below as KnownFields, at)
  }
}

const maxFieldText = 120

function fieldText(path: Path): string {
  const text = path.join('.')
  return text.length > maxFieldText ? `${text.slice(0, maxFieldText)}…` : text
}
