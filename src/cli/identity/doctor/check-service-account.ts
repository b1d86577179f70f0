import type { ServiceAccount } from '#kubernetes/client'
import { isUuid } from '#lib'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { identityAnnotations, useLabel } from '../identity-keys.ts'
import type { ServiceAccountRef } from '../names.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'

/** The service account itself. @param needsClientId whether the pod has its client id from nowhere else. */
export function checkServiceAccount(
  ref: ServiceAccountRef,
  account: Answer<ServiceAccount | undefined>,
  needsClientId: boolean,
): Finding[] {
  if ('why' in account) return [unknown('service account', account.why)]
  const { namespace, name } = ref
  if (account.value === undefined) {
    const fix = commandLine('kubectl', 'create', 'serviceaccount', name, '--namespace', namespace)
    return [problem('service account', 'service-account-missing', `${namespace}/${name} does not exist`, [fix])]
  }
  const { annotations = {}, labels = {} } = account.value.metadata
  const clientId = checkClientId(ref, annotations[identityAnnotations.clientId] ?? '', needsClientId)
  if (labels[useLabel] === undefined) return [clientId]
  return [clientId, note('label', `${useLabel} on a service account has no effect`)]
}

function checkClientId(ref: ServiceAccountRef, found: string, needsClientId: boolean): Finding {
  if (isUuid(found)) return ok('client id', found)
  const report = (text: string) =>
    needsClientId ? problem('client id', 'client-id-missing', text, [annotateCommand(ref)]) : note('client id', text)
  if (found !== '') return report(`${identityAnnotations.clientId} is "${found}", expected a UUID`)
  const rest = needsClientId ? '' : '; the pod has its client id elsewhere'
  return report(`the annotation ${identityAnnotations.clientId} is missing${rest}`)
}

/** The command that gives a service account its identity. */
export function annotateCommand({ namespace, name }: ServiceAccountRef): string {
  const words = ['annotate', 'serviceaccount', name, '--namespace', namespace, '--overwrite']
  return commandLine('kubectl', ...words, `${identityAnnotations.clientId}=CLIENT_ID`)
}
