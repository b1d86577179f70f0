import type { Rule, RuleTable } from '../rule.ts'
import { classRules } from './class-rules.ts'
import { identityRules } from './identity-rules.ts'
import { podRules } from './pod-rules.ts'
import { scaleRules } from './scale-rules.ts'
import { securityRules } from './security-rules.ts'
import { syncRules } from './sync-rules.ts'

/** Headings of the groups, by the digit after `KL`. */
export const ruleGroups = ['Classes', 'Pods', 'Secrets', 'Identities', 'Security', 'Scale'] as const

/** Every rule, by its id. The groups' tables of one concern are files of this folder. */
export const lintRules = {
  ...classRules,
  ...podRules,
  ...syncRules,
  ...identityRules,
  ...securityRules,
  ...scaleRules,
} as const satisfies RuleTable

export type RuleId = keyof typeof lintRules

export const ruleEntries = Object.entries(lintRules) as readonly [RuleId, Rule][]

export function isRuleId(id: string): id is RuleId {
  return Object.hasOwn(lintRules, id)
}
