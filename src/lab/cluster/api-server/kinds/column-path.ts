import { valueAt } from '#lib/formats'
import { isRecord } from '../api-object.ts'

type Step = string | number | typeof all | Filter

/** `[*]` */
const all = Symbol('all')

/** `[?(@.type=="Ready")]`: the elements whose field has, or does not have, a value. */
interface Filter {
  path: readonly string[]
  equal: boolean
  value: string
}

const step = /\.((?:[^.[\]\\]|\\.)+)|\[(?:(\d+)|'((?:[^'\\]|\\.)*)'|(\*)|\?\(([^()]*)\))\]/y
const filter = /^\s*@((?:\.[\w-]+)+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*$/

/**
 * Path of a printer column in the JSONPath of kubectl: `.status.conditions[0].type`, `.metadata.annotations['a.b/c']`, `.annotations.a\.b/c`,
 * `.list[*].name`, `.status.conditions[?(@.type=="Ready")].status`. Undefined for anything else.
 * https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
export function parseColumnPath(text: string): ((object: unknown) => unknown) | undefined {
  const path = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text
  const steps: Step[] = []
  step.lastIndex = 0
  while (step.lastIndex < path.length) {
    const match = step.exec(path)
    const next = match === null ? undefined : stepOf(match)
    if (next === undefined) return undefined
    steps.push(next)
  }
  return steps.length === 0 ? undefined : (object) => follow(object, steps)[0]
}

function stepOf([, field, index, quoted, everything, condition]: RegExpExecArray): Step | undefined {
  if (index !== undefined) return Number(index)
  if (condition !== undefined) return filterOf(condition)
  return everything === undefined ? (field ?? quoted ?? '').replaceAll(/\\(.)/g, '$1') : all
}

function filterOf(condition: string): Filter | undefined {
  const [, path, operator, ...values] = filter.exec(condition) ?? []
  if (path === undefined) return undefined
  return {
    path: path.slice(1).split('.'),
    equal: operator === '==',
    value: values.find((value) => value !== undefined) ?? '',
  }
}

/** What a path leads to. As on an API server, a column shows the first. */
function follow(object: unknown, steps: readonly Step[]): unknown[] {
  let found = [object]
  for (const step of steps) found = found.flatMap((value) => next(value, step)).filter((value) => value !== undefined)
  return found
}

function next(value: unknown, step: Step): readonly unknown[] {
  if (step === all) return elements(value)
  if (typeof step !== 'object') return [valueAt(value, step)]
  const { path, equal, value: wanted } = step
  return elements(value).filter((element) => (String(valueAt(element, ...path)) === wanted) === equal)
}

function elements(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return isRecord(value) ? Object.values(value) : []
}
