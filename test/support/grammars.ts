import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { Language, type Node, Parser } from 'web-tree-sitter'

const require = createRequire(import.meta.url)
// Not imported: its types would bring those of a browser into every file.
const hcl = require('@cdktf/hcl2json') as { parse(name: string, text: string): Promise<Record<string, unknown>> }

/** Fails unless HashiCorp's own parser of HCL, as WebAssembly, reads the text. Gives the blocks as JSON. */
export async function parseTerraform(name: string, text: string): Promise<Record<string, unknown>> {
  return hcl.parse(name, text)
}

let bicep: Promise<Parser> | undefined

/** Fails where the grammar of Bicep (tree-sitter) does not fit the text. Gives the names of what is declared, by kind. */
export async function parseBicep(name: string, text: string): Promise<Record<string, string[]>> {
  bicep ??= loadBicep()
  const tree = (await bicep).parse(text)
  assert.ok(tree)
  const wrong = mistakes(tree.rootNode).map(
    ({ startPosition, text: found }) => `${startPosition.row + 1}: ${found.slice(0, 60)}`,
  )
  assert.deepEqual(wrong, [], `${name} is not Bicep`)
  const declared: Record<string, string[]> = {}
  for (const node of tree.rootNode.children) {
    const identifier = node?.children.find((child) => child?.type === 'identifier')
    if (node === null || identifier === null || identifier === undefined) continue
    declared[node.type] = [...(declared[node.type] ?? []), identifier.text]
  }
  tree.delete()
  return declared
}

async function loadBicep(): Promise<Parser> {
  await Parser.init()
  const language = await Language.load(require.resolve('tree-sitter-bicep/tree-sitter-bicep.wasm'))
  return new Parser().setLanguage(language)
}

function mistakes(node: Node): Node[] {
  if (!node.hasError) return []
  const below = node.children.flatMap((child) => (child === null ? [] : mistakes(child)))
  return node.isError || node.isMissing || below.length === 0 ? [node] : below
}
