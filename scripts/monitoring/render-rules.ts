import { stringify } from 'yaml'
import { type Alert, alerts } from './alerts.ts'

const runbooks = 'https://github.com/keymount/keymount/blob/main/docs/alerts.md'

/** A rule as Prometheus reads it. */
export interface AlertRule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; description: string; runbook_url: string }
}

/** @param holds replaces how long each expression has to hold, for tests that do not wait. Default: that of the table. */
export function ruleOf(alert: Alert, holds: string | undefined = alert.for): AlertRule {
  const { name, expr, severity, summary, meaning } = alert
  return {
    alert: name,
    expr,
    ...(holds === undefined ? {} : { for: holds }),
    labels: { severity },
    annotations: { summary, description: meaning, runbook_url: `${runbooks}#${name.toLowerCase()}` },
  }
}

/** A rules file of Prometheus: all alerts. */
export function rulesFile(holds?: string): string {
  const groups = [{ name: 'keymount', rules: alerts.map((alert) => ruleOf(alert, holds ?? alert.for)) }]
  const comment =
    '# Rules for a Prometheus without the Prometheus Operator. Written by `npm run generate`; runbooks: docs/alerts.md\n'
  return `${comment}${stringify({ groups }, { lineWidth: 0 })}`
}

/** The same for the chart's PrometheusRule: which part of the product a rule needs, and the rule. */
export function chartRules(): string {
  const rows = alerts.map((alert) => ({
    ...(alert.needs === undefined ? {} : { needs: alert.needs }),
    rule: ruleOf(alert),
  }))
  return `${JSON.stringify(rows, undefined, 2)}\n`
}
