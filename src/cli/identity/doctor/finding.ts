import type { AnyCode } from '#product/error-catalogue'

/** The result of one check. */
export interface Finding {
  /** What was checked, in a word or two. */
  check: string
  /** `note`: nothing is wrong, but worth knowing. `unknown`: could not be checked. */
  status: 'ok' | 'problem' | 'note' | 'unknown'
  /** Of a problem. */
  code?: AnyCode | undefined
  text: string
  /** Commands that fix it: alternatives, or steps in order, as the text explains. Words in capitals are to be replaced. */
  fix?: readonly string[]
}

/** The results about one thing: the pod, its issuer, an identity, a vault. */
export interface Section {
  /** What it is about. */
  about: 'last error' | 'pod' | 'account' | 'class' | 'issuer' | 'identity' | 'vault'
  title: string
  findings: readonly Finding[]
}

export function ok(check: string, text: string): Finding {
  return { check, status: 'ok', text }
}

export function note(check: string, text: string, fix: readonly string[] = []): Finding {
  return { check, status: 'note', text, fix }
}

export function problem(check: string, code: AnyCode, text: string, fix: readonly string[] = []): Finding {
  return { check, status: 'problem', code, text, fix }
}

export function unknown(check: string, why: string): Finding {
  return { check, status: 'unknown', text: `could not be checked: ${why}` }
}
