import type { LimitTable } from '#lib'

/** Objects that a vault gives in one answer. */
export const objectsPerPage = 25

/** What a vault's answers may cost. */
export const vaultLimits = {
  pages: {
    value: 100,
    unit: 'count',
    what: 'pages of a list of versions',
    beyond: 'the mount fails (vault-answer-invalid)',
  },
  pagesOfObjects: {
    value: 1200,
    unit: 'count',
    what: 'pages of a list of the objects of a vault',
    beyond: 'the operator does not watch the vault (vault-answer-invalid)',
  },
  pagesOfDetails: {
    value: 400,
    unit: 'count',
    what: 'pages of a list of objects, of 25 objects each, for a select',
    beyond: 'the mount fails (vault-answer-invalid)',
  },
  detailBytes: {
    value: 2 * 1024 * 1024,
    unit: 'bytes',
    what: 'names and tags of a list of objects for a select',
    beyond: 'the mount fails (vault-answer-invalid)',
  },
  listMs: {
    value: 60_000,
    unit: 'milliseconds',
    what: 'time until a list of versions has ended',
    beyond: 'the mount fails (vault-answer-invalid)',
  },
  resources: {
    value: 1000,
    unit: 'count',
    what: 'vaults whose own token audience is remembered',
    beyond: 'all are forgotten, and asked for again',
  },
} as const satisfies LimitTable
