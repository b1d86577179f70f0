import type { Severity } from './rule.ts'

/** What is reported about files and comments themselves: no rule finds it, and no comment turns it off. */
export const notices = {
  KL900: {
    title: 'file cannot be read',
    severity: 'error',
    why: 'The file, or a document of it, is not YAML or JSON, or is beyond a limit (docs/limits.md). The exit status is 2.',
    right: 'YAML or JSON in UTF-8; charts with --helm, overlays with --kustomize',
  },
  KL901: {
    title: 'ignore comment is not valid',
    severity: 'warning',
    why: 'A comment that turns a rule off names a rule and a reason; without a reason it has no effect.',
    right: '# keymount-lint: ignore KL012 why it is right here',
  },
  KL902: {
    title: 'ignore comment has no effect',
    severity: 'info',
    why: 'The rule finds nothing there any more.',
    right: 'remove the comment',
  },
} as const satisfies Readonly<Record<string, { title: string; severity: Severity; why: string; right: string }>>

export type NoticeId = keyof typeof notices
