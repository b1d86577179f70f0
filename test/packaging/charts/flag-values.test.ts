/** Values that become flags: what the program would refuse, the chart refuses before anything is installed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cloudNames, findCloud, stackCloud } from '#azure/identity'
import type { FlagSpec } from '#lib/flags'
import { daemonFlags } from '../../../scripts/daemon-flags.ts'
import { chartDirectory, type Manifest, needsHelm, template } from './helm.ts'

interface Schema {
  $ref?: string
  type?: string | string[]
  minimum?: number
  maximum?: number
  pattern?: string
  enum?: unknown[]
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  definitions?: Record<string, Schema>
}

type Path = readonly string[]

const schema = JSON.parse(readFileSync(join(chartDirectory, 'values.schema.json'), 'utf8')) as Schema

/** Every program of the chart runs. */
const everything = {
  webhook: { enabled: true, azureTenantID: 'contoso.com' },
  sync: { enabled: true },
  restart: { enabled: true },
  events: {
    enabled: true,
    queue: 'https://account.queue.core.windows.net/keymount',
    clientID: 'client',
    tenantID: 'tenant',
    vaults: ['shop'],
  },
  podIdentity: { enabled: true },
}

/** Values of the leaves that are numbers, durations, or addresses: no two are equal. */
function* marked(node: Schema, path: Path, next: () => number): Generator<{ path: Path; value: unknown }> {
  const { $ref, type, properties, anyOf, ...leaf } = node
  if ($ref !== undefined) {
    const name = $ref.replace('#/definitions/', '')
    if (name === 'duration') yield { path, value: `${next()}s` }
    else if (schema.definitions?.[name] !== undefined) yield* marked(schema.definitions[name], path, next)
  } else if (properties !== undefined) {
    for (const [key, child] of Object.entries(properties)) yield* marked(child, [...path, key], next)
  } else if (anyOf?.some((one) => one.$ref === '#/definitions/duration') === true) yield { path, value: `${next()}s` }
  else if (type === 'integer') {
    const value = (leaf.maximum ?? Infinity) < first ? leaf.maximum : next()
    yield { path, value }
  } else if (path.at(-1) === 'metricsAddr') yield { path, value: `:${next()}` }
  else if (path.join('.') === 'podIdentity.mic.leaderElection.duration') yield { path, value: `${next()}s` }
}

const first = 4001

function set(values: object, path: Path, value: unknown): object {
  const [key = '', ...rest] = path
  const before = (values as Record<string, object>)[key] ?? {}
  return { ...values, [key]: rest.length === 0 ? value : set(before, rest, value) }
}

interface Given {
  program: keyof typeof daemonFlags
  flag: string
  text: string
}

function flagsIn(objects: readonly Manifest[]): Given[] {
  const texts = JSON.stringify(objects.map(({ spec }) => spec ?? null))
  return [...texts.matchAll(/"args":(\["[^\]]*\])/g)].flatMap(([, list = '[]']) => {
    const [program = '', ...words] = JSON.parse(list) as string[]
    return words.map((word) => {
      const [flag = '', ...text] = word.replace(/^--?/, '').split('=')
      return { program: program as keyof typeof daemonFlags, flag, text: text.join('=') }
    })
  })
}

/** A value of the kind of the leaf that the flag does not take. Undefined: it takes all of them. */
function refusedBy(spec: FlagSpec | undefined): unknown {
  switch (spec?.type) {
    case 'duration':
      return spec.min === undefined ? '5' : `${(spec.min - 1) / 1000}s`
    case 'integer':
      return spec.max === undefined ? 1.5 : spec.max + 1
    case 'port':
      return 65_536
    case 'address':
      return ':65536'
    default:
      return undefined
  }
}

test('a value that its program would refuse is refused by the chart', needsHelm, async (t) => {
  let last = first - 1
  const leaves = [...marked(schema, [], () => ++last)].filter(({ path }) => path[0] !== 'windows')
  const values = leaves.reduce((all: object, { path, value }) => set(all, path, value), everything)
  const given = flagsIn(await template(values))
  const pairs = leaves.flatMap(({ path, value }) => {
    const text = String(value).replace(/^:/, '')
    const one = given.find((each) => each.text.split(':').at(-1) === text)
    return one === undefined ? [] : [{ path, ...one, spec: daemonFlags[one.program][one.flag] }]
  })
  const refused = pairs.filter(({ spec }) => refusedBy(spec) !== undefined)
  t.diagnostic(`${refused.length} of ${leaves.length} values are checked by the type of their flag`)
  assert.ok(refused.length > 25, refused.map(({ path }) => path.join('.')).join(', '))
  await Promise.all(
    refused.map(async ({ path, flag, spec }) => {
      const value = refusedBy(spec)
      const shown = `${path.join('.')}=${String(value)}`
      const names = new RegExp(`${path.join('/')}'|at \\(.*: ${path.join('\\.')}: found`)
      await assert.rejects(
        template(set(everything, path, value)),
        names,
        `${shown}, which is --${flag} (${spec?.type})`,
      )
    }),
  )
})

test('what the chart finds in a flag is shown with what would be right', needsHelm, async () => {
  const rows: [values: object, message: string][] = [
    [{ rotationPollInterval: 2 }, 'rotationPollInterval: found "2", expected a duration such as 30s or 2m'],
    [{ rotationPollInterval: 0 }, 'rotationPollInterval: found "0"'],
    [
      { rotationPollInterval: '2minutes' },
      'rotationPollInterval: found "2minutes", expected a duration such as 30s or 2m',
    ],
    [
      { linux: { provider: { extraArgs: ['--serve-stale-max=1y'] } } },
      'linux.provider.extraArgs: found "--serve-stale-max=1y", expected a duration',
    ],
    [
      { linux: { provider: { extraArgs: ['--serve-stale-max'] } } },
      'expected --serve-stale-max=VALUE, VALUE being a duration',
    ],
    [{ linux: { provider: { extraArgs: ['--object-name-labels=Hash'] } } }, 'expected one of plain, '],
    [
      { combined: true, linux: { driver: { extraArgs: ['-v=high'] } } },
      'linux.node.extraArgs: found "-v=high", expected an integer',
    ],
    [
      { ...everything, events: { ...everything.events, quietPollInterval: '200h' } },
      'expected a duration such as 30s or 2m from 0s to 168h',
    ],
    [
      { sync: { enabled: true, rotationPollInterval: 5 }, linux: { image: { tag: 'next' } } },
      'sync.rotationPollInterval: found "5"',
    ],
    [{ linux: { driver: { extraArgs: ['--vv=$(LEVEL)'] } } }, 'expected a flag of the program driver'],
    [
      { ...everything, events: { ...everything.events, watchVaults: [{ vault: 'shop', interval: '4s999ms' }] } },
      'events.watchVaults[0].interval: found "4s999ms", expected 5s or more, such as 15s',
    ],
    [
      { ...everything, events: { ...everything.events, cloud: 'AzureStackCloud' } },
      'events.cloud: found "AzureStackCloud", expected one of AzurePublicCloud, ',
    ],
    [
      { webhook: { ...everything.webhook, azureEnvironment: 'Mars' } },
      'webhook.azureEnvironment: found "Mars", expected one of AzurePublicCloud, ',
    ],
  ]
  await Promise.all(
    rows.map(([values, message]) =>
      assert.rejects(template(values), (error: Error) => {
        assert.ok(error.message.includes(message), error.message)
        return true
      }),
    ),
  )
  await template({
    linux: { provider: { extraArgs: ['--serve-stale-max=1.5h', '--object-name-labels=HASHED', '-v=+5'] } },
  })
  await template({ linux: { driver: { extraArgs: ['-v=$(LEVEL)'] } } })
})

test('the chart takes each cloud that the programs take, in any case', needsHelm, async () => {
  const builtIn = [...cloudNames, 'AzureCloud', 'AzureUSGovernment'].filter((name) => findCloud(name) !== undefined)
  assert.ok(builtIn.length > 4)
  const valuesOf = (environment: string, cloud: string) => ({
    webhook: { ...everything.webhook, azureEnvironment: environment },
    events: { ...everything.events, cloud, watchVaults: [{ vault: 'shop', interval: '5s' }] },
  })
  await template(valuesOf('$(CLOUD)', ''))
  await template(valuesOf(stackCloud, '$(CLOUD)'))
  for (const name of builtIn) await template(valuesOf(name.toUpperCase(), name.toLowerCase()))
})
