import type { LimitTable } from '#lib'

/** What one template may cost: its author is a tenant. */
export const templateLimits = {
  templateSteps: {
    value: 10_000,
    unit: 'count',
    what: 'steps of one template (an action, a function, or 1 KiB of text that they read, test or write)',
    beyond: 'the mount fails (template-failed)',
  },
  templateStepsOfClass: {
    value: 50_000,
    unit: 'count',
    what: 'steps of all templates of a class',
    beyond: 'the mount fails (template-failed)',
  },
  templateNameBytes: {
    value: 4096,
    unit: 'bytes',
    what: 'name that index or selected of a template looks up',
    beyond: 'the mount fails (template-failed)',
  },
  templateOutputBytes: {
    value: 1024 * 1024,
    unit: 'bytes',
    what: 'text that one template writes',
    beyond: 'the mount fails (template-failed)',
  },
  templateJsonValues: {
    value: 10_000,
    unit: 'count',
    what: 'JSON values that fromJson and jsonPath of a template take at once',
    beyond: 'the mount fails (template-failed)',
  },
  templateDepth: {
    value: 32,
    unit: 'count',
    what: 'nesting of blocks and parentheses in a template',
    beyond: 'the mount is refused; the webhook reports it',
  },
  templateTokens: {
    value: 10_000,
    unit: 'count',
    what: 'words, symbols and texts of all templates of a class together',
    beyond: 'the mount is refused; the webhook reports it',
  },
  templateIndent: {
    value: 64,
    unit: 'count',
    what: 'spaces of indent and nindent in a template',
    beyond: 'the mount fails (template-failed)',
  },
} as const satisfies LimitTable
