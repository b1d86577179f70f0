import type { SecretValue } from '#lib'
import { evaluate, isTrue, printed } from './evaluate.ts'
import { failed, type RenderState, type Scope, spend, write } from './render-state.ts'
import type { Range, Template, TemplateNode } from './template-ast.ts'
import type { TemplateFiles } from './template-files.ts'
import { secretOf, TemplateValue } from './template-value.ts'
import { words } from './template-words.ts'

export interface Rendered {
  contents: SecretValue
  /** Names of the files that it was made of, and of those that it asked for and that are not there, sorted. */
  used: readonly string[]
  /** What it took, see `templateLimits`. */
  steps: number
}

/**
 * Fills a template in. Takes at most the steps and writes at most the bytes of `templateLimits`.
 *
 * @throws {TemplateError} with `template-failed`: position and name of what is missing, never a value
 */
export function renderTemplate(template: Template, files: TemplateFiles): Rendered {
  const state: RenderState = { template, files, steps: 0, written: 0, chunks: [], used: new Set() }
  renderBody(state, template.body, { dot: TemplateValue.files, variables: new Map() })
  return { contents: secretOf(state.chunks.join('')), used: [...state.used].toSorted(), steps: state.steps }
}

function renderBody(state: RenderState, nodes: readonly TemplateNode[], scope: Scope): void {
  for (const node of nodes) {
    spend(state, node.offset, 1)
    switch (node.kind) {
      case 'text':
        write(state, node.offset, node.bytes)
        break
      case 'output':
        write(state, node.offset, printed(state, node.offset, evaluate(state, node.pipeline, scope)))
        break
      case 'if': {
        const branch = node.branches.find(({ condition }) =>
          isTrue(state, node.offset, evaluate(state, condition, scope)),
        )
        renderBody(state, branch?.body ?? node.otherwise, scope)
        break
      }
      default:
        renderRange(state, node.range, node.offset, scope)
    }
  }
}

function renderRange(state: RenderState, range: Range, offset: number, scope: Scope): void {
  const entries = entriesOf(state, offset, evaluate(state, range.pipeline, scope))
  for (const [key, value] of entries) {
    spend(state, offset, 1)
    const variables = new Map(scope.variables)
    if (range.key !== undefined) variables.set(range.key, key)
    if (range.value !== undefined) variables.set(range.value, value)
    renderBody(state, range.body, { dot: value, variables })
  }
  if (entries.length === 0) renderBody(state, range.otherwise, scope)
}

function entriesOf(state: RenderState, offset: number, value: TemplateValue): [TemplateValue, TemplateValue][] {
  const content = value.revealContent()
  switch (content.kind) {
    case 'list':
      return content.items.map((item, index) => [TemplateValue.ofNumber(String(index)), item])
    case 'map':
      return [...content.entries].map(([key, item]) => [TemplateValue.ofText(key), item])
    case 'missing':
    case 'null':
      return []
    default:
      throw failed(state, offset, words`a range goes over a set (selected "NAME"), or a list or map of fromJson`)
  }
}
