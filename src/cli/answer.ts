import { isForbidden, KubeError } from '#kubernetes/client'
import { errorMessage } from '#lib'

/** What was asked for, or why it could not be found out. */
export type Answer<T> = { value: T } | { why: string }

/** Asks, and takes a failure for an answer: the caller goes on with what it has the right to see. */
export async function attempt<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await ask() }
  } catch (error) {
    return { why: missingRight(error) ?? errorMessage(error) }
  }
}

/** RBAC's refusal, without who asked: the verb and the resource that a Role has to name. */
function missingRight(error: unknown): string | undefined {
  if (!(error instanceof KubeError) || !isForbidden(error)) return undefined
  const [, verb, resource, group = ''] =
    /cannot (\w+) resource "([\w./-]+)" in API group "([\w.-]*)"/.exec(error.serverMessage) ?? []
  if (verb === undefined) return undefined
  const [, namespace] = /in the namespace "([\w.-]+)"/.exec(error.serverMessage) ?? []
  const where = namespace === undefined ? 'in the whole cluster' : `in namespace ${namespace}`
  return `forbidden: you have no right to ${verb} ${resource}${group === '' ? '' : `.${group}`} ${where}`
}
