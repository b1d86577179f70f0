/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, in a word or two. */
  check: string
  /** `note`: nothing is wrong, but the reader should know. `unknown`: could not be checked. */
  status: 'ok' | 'problem' | 'note' | 'unknown'
  text: string
  /** Commands that mend it; any of them, or one after the other as the text says. */
  fix?: readonly string[]
}

/** What was found about one thing: the pod, its issuer, an identity, a vault. */
export interface Section {
  title: string
  findings: readonly Finding[]
}

export function ok(check: string, text: string): Finding {
  return { check, status: 'ok', text }
}

export function note(check: string, text: string, fix: readonly string[] = []): Finding {
  return { check, status: 'note', text, fix }
}

export function problem(check: string, text: string, fix: readonly string[] = []): Finding {
  return { check, status: 'problem', text, fix }
}

export function unknown(check: string, why: string): Finding {
  return { check, status: 'unknown', text: `could not be checked: ${why}` }
}
