import assert from 'node:assert/strict'
import { checkClass, parseParameters } from '#azure/class'
import { Problems } from '#lib'

/** The parameter `objects` of a class, as the provider parses it at every mount and the webhook at every change of a class. */
export function fuzz(data: Buffer): void {
  const objects = data.toString('utf8')
  const parameters = { keyvaultName: 'vault', tenantID: 'tenant', clientID: 'client', objects }
  const problems = new Problems()
  const spec = parseParameters(new Map(Object.entries(parameters)), problems)
  assert.ok(problems.list.length <= 51, 'more problems than are reported')
  if (problems.count === 0) assert.ok(spec.objects.length <= 500, 'more objects than a class may have')
  const findings = checkClass({ metadata: { name: 'c' }, spec: { provider: 'azure', parameters } })
  assert.ok(findings.length <= 60, 'more findings than are reported')
}
