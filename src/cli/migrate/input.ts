import type { Manifest } from '#azure/lint'
import type { ConvertOptions } from './migrate-options.ts'

/** Everything that a conversion may look at. */
export interface Input {
  manifests: readonly Manifest[]
  options: ConvertOptions
  /** Objects of a kind that may be in the namespace of another one. */
  named(kind: string, name: string, beside: Pick<Manifest, 'namespace'>): readonly Manifest[]
  /** The comment at a field of an object. */
  commentAt(manifest: Manifest, path: readonly (string | number)[]): string
  /** Keys of a Secret of the cluster, where the command reads one; otherwise why they are not known. */
  keysOfSecret(namespace: string, name: string): readonly string[] | { why: string }
}
