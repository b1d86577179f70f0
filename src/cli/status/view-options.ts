import type { ClusterOption } from '../options.ts'

/** Of `keymount status VIEW`. */
export interface ViewOptions extends ClusterOption {
  namespace?: string
  filter?: string
  sort?: string
  output?: 'table' | 'wide' | 'json' | 'yaml'
  watch?: boolean
}
