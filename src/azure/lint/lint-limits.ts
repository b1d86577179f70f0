import type { LimitTable } from '#lib'

/** What one file may hold: the author of a pull request decides how much work a check of it is. */
export const lintLimits = {
  fileBytes: {
    value: 8 * 1024 * 1024,
    unit: 'bytes',
    what: 'size of a file, or of what helm or kustomize print',
    beyond: 'The file is reported as unreadable.',
  },
  tokens: {
    value: 1_500_000,
    unit: 'count',
    what: 'YAML tokens of a file',
    beyond: 'The file is reported as unreadable.',
  },
  errors: {
    value: 10,
    unit: 'count',
    what: 'YAML errors of a file',
    beyond: 'The rest of the errors is counted.',
  },
  nodes: {
    value: 200_000,
    unit: 'count',
    what: 'YAML values of a document, aliases resolved',
    beyond: 'The document is reported as unreadable.',
  },
  depth: {
    value: 100,
    unit: 'count',
    what: 'nesting of a document',
    beyond: 'The document is reported as unreadable.',
  },
} as const satisfies LimitTable
