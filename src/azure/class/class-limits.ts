import { secretObjectLimits } from '#kubernetes/client'
import type { LimitTable } from '#lib'

/**
 * What a class may hold. Anyone who can create classes in one namespace decides how much work a mount is, so each of these is
 * checked before the work begins.
 */
export const classLimits = {
  bytes: {
    value: 256 * 1024,
    unit: 'bytes',
    what: 'names and values of all parameters of a class',
    beyond: 'the mount is refused; the webhook reports it',
  },
  parameters: {
    value: 64,
    unit: 'count',
    what: 'parameters of a class',
    beyond: 'the mount is refused; the webhook reports it',
  },
  nameLength: {
    value: 253,
    unit: 'characters',
    what: 'length of the name of a parameter',
    beyond: 'the mount is refused; the webhook reports it',
  },
  objects: {
    value: 500,
    unit: 'count',
    what: 'objects of a class',
    beyond: 'the mount is refused; the webhook reports it',
  },
  fields: {
    value: 32,
    unit: 'count',
    what: 'fields of one object',
    beyond: 'the mount is refused; the webhook reports it',
  },
  files: {
    value: 1000,
    unit: 'count',
    what: 'files of a class (objects × objectVersionHistory × jsonPath entries)',
    beyond: 'the mount is refused; the webhook reports it',
  },
  yamlTokens: {
    value: 40_000,
    unit: 'count',
    what: 'YAML tokens of the objects parameter',
    beyond: 'the mount is refused; the webhook reports it',
  },
  yamlNodes: {
    value: 20_000,
    unit: 'count',
    what: 'YAML values of the objects parameter, aliases resolved',
    beyond: 'the mount is refused; the webhook reports it',
  },
  yamlDepth: {
    value: 16,
    unit: 'count',
    what: 'nesting of the objects parameter',
    beyond: 'the mount is refused; the webhook reports it',
  },
  selected: {
    value: 500,
    unit: 'count',
    what: 'objects that one select takes (its limit, 100 without one)',
    beyond: 'the mount fails (select-too-many)',
  },
  selects: {
    value: 20,
    unit: 'count',
    what: 'entries of a class with select',
    beyond: 'the mount is refused; the webhook reports it',
  },
  tags: {
    value: 15,
    unit: 'count',
    what: 'tags of a select',
    beyond: 'the mount is refused; the webhook reports it',
  },
  patternLength: {
    value: 256,
    unit: 'characters',
    what: 'length of a namePattern or exclude',
    beyond: 'the mount is refused; the webhook reports it',
  },
  patternStates: {
    value: 1000,
    unit: 'count',
    what: 'states of a pattern, {n,m} written out',
    beyond: 'the mount is refused; the webhook reports it',
  },
  templates: {
    value: 20,
    unit: 'count',
    what: 'templates of a class',
    beyond: 'the mount is refused; the webhook reports it',
  },
  ...secretObjectLimits,
} as const satisfies LimitTable
