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
      block('prints', 'unrecognized <name>'),
      block('yaml instead file=pod.yaml', 'kind: Pod'),
      block('sh check within=30 needs=pod-network', 'true'),
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
        prints: ['unrecognized contoso'],
        within: 0,
        needsPodNetwork: false,
      },
      {
        role: 'instead',
        section: 'Make it',
        text: 'kind: Pod',
        file: 'pod.yaml',
        status: 0,
        prints: [],
        within: 0,
        needsPodNetwork: false,
      },
      { role: 'check', section: 'Make it', text: 'true', status: 0, prints: [], within: 30, needsPodNetwork: true },
    ],
  )
})

test('an unknown block is reported with its line', () => {
  assert.throws(() => parseWalkthrough(block('sh wirtten', 'true')), /line 1: found "sh wirtten"/)
  assert.throws(() => parseWalkthrough(block('sh written refuses=1', 'true')), /line 1: unknown option refuses/)
  assert.throws(() => parseWalkthrough(block('prints', 'yes')), /line 1: "prints" without a command/)
  assert.throws(() => parseWalkthrough('```sh written\ntrue'), /line 1: the block has no end/)
})
