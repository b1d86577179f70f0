import { Environment } from '@marcbachmann/cel-js'
import { errorMessage } from '#lib'

/** By the names that the expression may use. */
export type Expression = (variables: Record<string, unknown>) => unknown

/** What the expressions of a policy see. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ */
const policyNames = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables']

/** What the rules of a definition see. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules */
const ruleNames = ['self', 'oldSelf']

const limits = {
  maxAstNodes: 10_000,
  maxDepth: 100,
  maxListElements: 1_000,
  maxMapEntries: 1_000,
  maxCallArguments: 32,
}

/**
 * CEL with the functions of Kubernetes that the library does not have; `authorizer`, quantities, URLs and IP addresses are not
 * among them.
 */
function environmentWith(names: readonly string[]): Environment {
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false, limits })
  for (const name of names) environment.registerVariable(name, 'dyn')
  return environment
    .registerFunction('string.find(string): string', (text: string, pattern: string) => findAll(text, pattern)[0] ?? '')
    .registerFunction('string.findAll(string): list', findAll)
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.replaceAll(from, () => to),
    )
}

/** Flags of RE2 are at the beginning of a pattern. */
function findAll(text: string, pattern: string): readonly string[] {
  const [, flags = '', rest = pattern] = /^\(\?([ims]+)\)(.*)$/su.exec(pattern) ?? []
  return text.match(new RegExp(rest, `gu${flags}`)) ?? []
}

const ofPolicies = environmentWith(policyNames)
const ofRules = environmentWith(ruleNames)

/** Throws an Error with what is wrong in the expression. */
export function compilePolicyExpression(text: string): Expression {
  return compile(ofPolicies, text)
}

/** Throws an Error with what is wrong in the expression. */
export function compileRule(text: string): Expression {
  return compile(ofRules, text)
}

function compile(environment: Environment, text: string): Expression {
  const parsed = environment.parse(text)
  const { valid, error } = parsed.check()
  if (!valid) throw new Error(firstLine(error))
  return (variables) => {
    try {
      return parsed({ ...variables })
    } catch (failure) {
      throw new Error(firstLine(failure), { cause: failure })
    }
  }
}

/** The library adds the expression and a pointer below it. */
function firstLine(error: unknown): string {
  return errorMessage(error).split('\n')[0] ?? ''
}

/** JSON as CEL sees it: whole numbers are `int`. */
export function celValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(celValue)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, celValue(each)]))
}
