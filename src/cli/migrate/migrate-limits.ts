import type { LimitTable } from '#lib'

/** What one run converts: the authors of the manifests decide how much there is. Files have the limits of lint. */
export const migrateLimits = {
  objects: {
    value: 20_000,
    unit: 'count',
    what: 'objects of one migration',
    beyond: 'The command ends with an error and writes nothing.',
  },
  keys: {
    value: 500,
    unit: 'count',
    what: 'keys of the Secret of one object',
    beyond: 'The object is left out, with a finding.',
  },
  findings: {
    value: 20,
    unit: 'count',
    what: 'findings of one object',
    beyond: 'The rest is counted; the object is left out.',
  },
  templateBytes: {
    value: 128 * 1024,
    unit: 'bytes',
    what: 'templates of one object',
    beyond: 'The object is left out, with a finding.',
  },
} as const satisfies LimitTable
