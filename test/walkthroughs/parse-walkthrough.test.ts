import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWalkthrough } from './parse-walkthrough.ts'

const fence = '```'
const block = (info: string, ...lines: string[]) => [fence + info, ...lines, fence].join('\n')

test('a walk-through is its blocks in their order, with what the placeholders stand for', () => {
  const { title, steps } = parseWalkthrough(
    [
      '# A vault',
      block('placeholders', '<name> = contoso'),
      '## Make it',
      'Because.',
      block('sh written refused=2', 'az keyvault create <name>'),
      block('says', 'unrecognized <name>'),
      block('yaml instead file=pod.yaml', 'kind: Pod'),
      block('sh check within=30 only=real', 'true'),
    ].join('\n\n'),
  )
  assert.equal(title, 'A vault')
  assert.deepEqual(
    steps.map(({ line: _, ...step }) => step),
    [
      {
        role: 'written',
        section: 'Make it',
        text: 'az keyvault create contoso',
        status: 2,
        says: ['unrecognized contoso'],
        within: 0,
        onlyReal: false,
      },
      {
        role: 'instead',
        section: 'Make it',
        text: 'kind: Pod',
        file: 'pod.yaml',
        status: 0,
        says: [],
        within: 0,
        onlyReal: false,
      },
      { role: 'check', section: 'Make it', text: 'true', status: 0, says: [], within: 30, onlyReal: true },
    ],
  )
})

test('what is not understood is told with its line', () => {
  assert.throws(() => parseWalkthrough(block('sh wirtten', 'true')), /line 1: found "sh wirtten"/)
  assert.throws(() => parseWalkthrough(block('sh written refuses=1', 'true')), /line 1: unknown option refuses/)
  assert.throws(() => parseWalkthrough(block('says', 'yes')), /line 1: "says" without a command/)
  assert.throws(() => parseWalkthrough('```sh written\ntrue'), /line 1: the block has no end/)
})
