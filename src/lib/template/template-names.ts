import type { Operand, Pipeline, Template, TemplateNode } from './template-ast.ts'
import { positionsIn, type TemplatePosition } from './template-error.ts'

/** A name that a template asks for, as far as its text alone shows it. */
export interface TemplateName {
  /** `field`: of a file, by its name as a field. `file`: by its exact name. `set`: of a `select`. */
  kind: 'field' | 'file' | 'set'
  name: string
  /** Whether the template works without it: in a condition, below one, or with a default. */
  optional: boolean
  position: TemplatePosition
}

/** Every name in the order of the text. */
export function templateNames({ text, body }: Template): TemplateName[] {
  const found: (Omit<TemplateName, 'position'> & { offset: number })[] = []
  const visitor: Visitor = { add: (kind, name, offset, { optional }) => found.push({ kind, name, offset, optional }) }
  visitBody(visitor, body, { optional: false, dotIsFiles: true })
  const positionOf = positionsIn(text)
  return found
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, ...name }) => ({ ...name, position: positionOf(offset) }))
}

interface Around {
  optional: boolean
  /** Dot is all files outside of a range, and one entry inside. */
  dotIsFiles: boolean
}

interface Visitor {
  add(kind: TemplateName['kind'], name: string, offset: number, around: Around): void
}

function visitBody(visitor: Visitor, nodes: readonly TemplateNode[], around: Around): void {
  for (const node of nodes) {
    if (node.kind === 'output') visitPipeline(visitor, node.pipeline, around)
    else if (node.kind === 'if') {
      const inside = { ...around, optional: true }
      for (const { condition, body } of node.branches) {
        visitPipeline(visitor, condition, inside)
        visitBody(visitor, body, inside)
      }
      visitBody(visitor, node.otherwise, inside)
    } else if (node.kind === 'range') {
      visitPipeline(visitor, node.range.pipeline, { ...around, optional: true })
      visitBody(visitor, node.range.body, { optional: true, dotIsFiles: false })
      visitBody(visitor, node.range.otherwise, { ...around, optional: true })
    }
  }
}

function visitPipeline(visitor: Visitor, pipeline: Pipeline, around: Around): void {
  for (const [index, command] of pipeline.entries()) {
    const hasDefault = pipeline[index + 1]?.kind === 'call' && callName(pipeline, index + 1) === 'default'
    const inside = hasDefault || callName(pipeline, index) === 'default' ? { ...around, optional: true } : around
    if (command.kind === 'operand') visitOperand(visitor, command.operand, inside)
    else {
      const [first] = command.args
      if (command.name === 'selected' && first?.kind === 'text') {
        visitor.add('set', first.text, first.offset, { ...inside, optional: false })
      } else if (command.name === 'index' && command.args.length === 1 && first?.kind === 'text') {
        visitor.add('file', first.text, first.offset, inside)
      }
      for (const operand of command.args) visitOperand(visitor, operand, inside)
    }
  }
}

function callName(pipeline: Pipeline, index: number): string {
  const command = pipeline[index]
  return command?.kind === 'call' ? command.name : ''
}

function visitOperand(visitor: Visitor, operand: Operand, around: Around): void {
  if (operand.kind === 'pipeline') visitPipeline(visitor, operand.pipeline, around)
  const isFiles =
    (operand.kind === 'dot' && around.dotIsFiles) || (operand.kind === 'variable' && operand.variable === '')
  if (!isFiles) return
  const [name] = (operand as { fields: readonly string[] }).fields
  if (name !== undefined) visitor.add('field', name, operand.offset, around)
}
