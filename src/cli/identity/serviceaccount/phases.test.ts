import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AzureCallOptions, AzureService } from '#azure/rest'
import { systemClock } from '#lib'
import { createTerminal } from '#terminal'
import { createApplicationPrincipal, displayNameFilter } from './application.ts'
import { createPhases } from './create-phases.ts'
import { deletePhases } from './delete-phases.ts'
import { type PhaseOptions, parsePhaseOptions } from './options.ts'
import { type Phase, type PhaseContext, requireOneOf } from './phase.ts'
import { activePhases, checkPhases, phasesHelp, runPhases } from './run-phases.ts'
import { annotationsOf } from './service-account.ts'

const uuid = '11111111-2222-3333-4444-555555555555'
const account: PhaseOptions = { serviceAccountName: 'sa', serviceAccountNamespace: 'ns' }
const issuer: PhaseOptions = { serviceAccountIssuerUrl: 'https://issuer/' }
const application: PhaseOptions = { aadApplicationName: 'app' }

test('azwi: option errors: one, two and three flags', () => {
  assert.deepEqual(requireOneOf(['--x', undefined]), ['--x is required'])
  assert.deepEqual(requireOneOf(['--x', ''], ['--y', undefined]), ['--x or --y is required'])
  assert.deepEqual(requireOneOf(['--x', ''], ['--y', ''], ['--z', '']), ['--x or --y or --z is required'])
  assert.deepEqual(requireOneOf(['--x', ''], ['--y', 'given']), [])
})

/** The problems that a phase reports for these options. */
function missing(phases: readonly Phase[], name: string, options: PhaseOptions): string[] {
  const phase = phases.find((one) => one.name === name)
  assert.ok(phase !== undefined, name)
  return phase.missing(parsePhaseOptions(options))
}

const applicationOptions =
  '--aad-application-name or --aad-application-client-id or --aad-application-object-id is required'

const create: [phase: string, options: PhaseOptions, words: string[]][] = [
  ['aad-application', {}, ['--aad-application-name is required']],
  ['aad-application', application, []],
  ['aad-application', { ...account, ...issuer }, []],
  ['service-account', { ...application }, ['--service-account-name is required']],
  [
    'service-account',
    { ...account, ...application, serviceAccountNamespace: '' },
    ['--service-account-namespace is required'],
  ],
  ['service-account', account, [applicationOptions]],
  ['service-account', { ...account, ...application }, []],
  ['service-account', { ...account, aadApplicationClientId: uuid }, []],
  ['federated-identity', { ...account, ...application }, ['--service-account-issuer-url is required']],
  ['federated-identity', { ...issuer, ...application }, ['--service-account-name is required']],
  ['federated-identity', { ...account, ...issuer }, []],
  ['federated-identity', { ...account, ...issuer, aadApplicationObjectId: uuid }, []],
  ['role-assignment', { ...application, azureRole: 'r' }, ['--azure-scope is required']],
  ['role-assignment', { ...application, azureScope: 's' }, ['--azure-role is required']],
  [
    'role-assignment',
    { azureScope: 's', azureRole: 'r' },
    ['--service-principal-name or --service-principal-object-id is required'],
  ],
  ['role-assignment', { azureScope: 's', azureRole: 'r', servicePrincipalName: 'sp' }, []],
  ['role-assignment', { azureScope: 's', azureRole: 'r', servicePrincipalObjectId: uuid }, []],
]

for (const [phase, options, words] of create) {
  test(`azwi: phases PreRun: create ${phase} with ${Object.keys(options).join(', ') || 'nothing'}`, () => {
    assert.deepEqual(missing(createPhases({ identityType: 'application' }), phase, options), words)
  })
}

const remove: [phase: string, options: PhaseOptions, words: string[]][] = [
  ['role-assignment', {}, ['--role-assignment-id is required']],
  ['role-assignment', { roleAssignmentId: 'id' }, []],
  ['federated-identity', account, ['--service-account-issuer-url is required']],
  ['federated-identity', { ...account, ...issuer }, []],
  ['service-account', {}, ['--service-account-name is required']],
  ['service-account', account, []],
  ['aad-application', {}, ['--aad-application-name or --aad-application-object-id is required']],
  ['aad-application', application, []],
  ['aad-application', { aadApplicationObjectId: uuid }, []],
]

for (const [phase, options, words] of remove) {
  test(`azwi: phases PreRun: delete ${phase} with ${Object.keys(options).join(', ') || 'nothing'}`, () => {
    assert.deepEqual(missing(deletePhases({ identityType: 'application' }), phase, options), words)
  })
}

test('phases of a managed identity need its resource group', () => {
  const options: PhaseOptions = { identityType: 'managed-identity', ...account, ...issuer }
  const phases = createPhases({ identityType: 'managed-identity' })
  for (const phase of ['managed-identity', 'service-account', 'federated-identity']) {
    assert.deepEqual(missing(phases, phase, options), ['--managed-identity-resource-group is required'])
    assert.deepEqual(missing(phases, phase, { ...options, managedIdentityResourceGroup: 'g' }), [])
  }
})

test('azwi: phases PreRun: token expiration 1h ok, below 1h and above 24h are errors', () => {
  const seconds = (time: string) => parsePhaseOptions({ serviceAccountTokenExpiration: time }).tokenExpiration
  assert.equal(seconds('1h'), 3600)
  assert.equal(seconds('24h0m0s'), 86_400)
  assert.throws(() => seconds('59m59s'), /--service-account-token-expiration must be greater than or equal to 1h0m0s/)
  assert.throws(() => seconds('24h0m1s'), /--service-account-token-expiration must be less than or equal to 24h0m0s/)
  assert.throws(() => seconds('soon'), /found "soon", expected a duration/)
})

test('every wrong option is reported at once', () => {
  const options = { identityType: 'user', aadApplicationObjectId: 'x', serviceAccountTokenExpiration: '1s' }
  assert.throws(
    () => parsePhaseOptions(options),
    /--identity-type: found "user".*--aad-application-object-id: found "x".*must be greater/,
  )
})

/** A graph of one application, whose calls are counted. */
function countingGraph(found: { applications: unknown[]; servicePrincipals: unknown[] }) {
  const calls: string[] = []
  const unexpected = () => assert.fail('nothing is changed')
  const graph: AzureService = {
    async list<T>(path: string, { query = {} }: AzureCallOptions = {}) {
      calls.push(`${path} ${query.$filter}`)
      return (path === '/applications' ? found.applications : found.servicePrincipals) as T[]
    },
    get: unexpected,
    find: unexpected,
    put: unexpected,
    patch: unexpected,
    post: unexpected,
    delete: unexpected,
  }
  const settings = parsePhaseOptions({ aadApplicationName: "it's" })
  const signal = new AbortController().signal
  return { calls, principal: createApplicationPrincipal({ graph, settings, version: '1', clock: systemClock, signal }) }
}

test('azwi: lazy lookups: application and service principal are fetched once and cached', async () => {
  const { calls, principal } = countingGraph({
    applications: [{ id: 'object', appId: 'client', displayName: "it's" }],
    servicePrincipals: [{ id: 'principal' }],
  })
  for (let i = 0; i < 2; i++) {
    assert.equal(await principal.clientId(), 'client')
    assert.equal(await principal.principalId(), 'principal')
  }
  assert.deepEqual(calls, ["/applications displayName eq 'it''s'", "/servicePrincipals appId eq 'client'"])
})

test('azwi: lazy lookups: what does not exist is an error with a fix, and is looked up again', async () => {
  const { calls, principal } = countingGraph({ applications: [], servicePrincipals: [] })
  await assert.rejects(principal.clientId(), /The application "it's" does not exist/)
  await assert.rejects(principal.clientId(), /does not exist/)
  assert.equal(calls.length, 2)
})

test('an ambiguous name is refused: the wrong application must not be given rights', async () => {
  const two = [
    { id: 'a', appId: 'x' },
    { id: 'b', appId: 'y' },
  ]
  const { principal } = countingGraph({ applications: two, servicePrincipals: [] })
  await assert.rejects(principal.clientId(), /2 applications are called "it's"/)
  await assert.rejects(principal.delete(), /2 applications are called/)
})

test('azwi: graph helpers: filters', () => {
  assert.equal(displayNameFilter('app'), "displayName eq 'app'")
  assert.equal(displayNameFilter("o'app"), "displayName eq 'o''app'")
})

test('azwi: kube helpers: the default expiration is left out', () => {
  const identity = { clientId: 'c', tenantId: 't', tokenExpiration: 3600 }
  const key = 'azure.workload.identity/service-account-token-expiration'
  assert.equal(annotationsOf(identity)[key], null)
  assert.equal(annotationsOf({ ...identity, tokenExpiration: 7200 })[key], '7200')
})

/** Phases that write down what happens to them. */
function recorded(...names: string[]) {
  const log: string[] = []
  const phases: Phase[] = names.map((name) => ({
    name,
    alias: name.slice(0, 1),
    description: `do ${name}`,
    flags: [],
    missing: () => {
      log.push(`check ${name}`)
      return []
    },
    run: async () => {
      log.push(`run ${name}`)
      return { text: 'done' }
    },
    commands: () => [],
  }))
  return { log, phases }
}

const silent = createTerminal({ stdout: { write: () => true }, stderr: { write: () => true }, env: {} })
const context = {} as PhaseContext

test('azwi: runner: order, skip list and active phases', () => {
  const { phases } = recorded('one', 'two', 'three')
  const names = (skip: string[]) => activePhases(phases, skip).map(({ name }) => name)
  assert.deepEqual(names([]), ['one', 'two', 'three'])
  assert.deepEqual(names(['two']), ['one', 'three'])
  assert.deepEqual(names(['o', 'three']), ['two'])
})

test('azwi: runner: every phase is checked before the first runs, and a skipped one is left alone', async () => {
  const { log, phases } = recorded('one', 'two', 'three')
  const active = activePhases(phases, ['two'])
  const settings = parsePhaseOptions({})
  checkPhases(active, settings)
  await runPhases(active, context, silent)
  assert.deepEqual(log, ['check one', 'check three', 'run one', 'run three'])
})

test('azwi: runner: options that several phases lack are reported once, with the names of the phases', () => {
  const { phases } = recorded('one', 'two')
  const lacking = phases.map((phase) => ({ ...phase, missing: () => ['--x is required'] }))
  assert.throws(
    () => checkPhases(lacking, parsePhaseOptions({})),
    /^ProblemsError: options: --x is required \(phase one, two\)$/,
  )
})

test('azwi: runner: the first failure ends it', async () => {
  const { log, phases } = recorded('one', 'two', 'three')
  const failing = phases.with(1, { ...(phases[1] as Phase), run: () => Promise.reject(new Error('no')) })
  await assert.rejects(runPhases(failing, context, silent), /no/)
  assert.deepEqual(log, ['run one'])
})

test('azwi: runner: text of an unknown phase', () => {
  const { phases } = recorded('one', 'two')
  assert.throws(
    () => activePhases(phases, ['x']),
    /failed to compute skip phases: phase 'x' not found\. Valid phases are: \[one two\]$/,
  )
})

test('azwi: runner: help text', () => {
  const { phases } = recorded('one', 'longer')
  assert.equal(phasesHelp(phases), 'The phases, in their order:\n  one     do one\n  longer  do longer')
})

test('a choice of options is left out where an option that has to be given decides it', () => {
  const settings = parsePhaseOptions({ identityType: 'application' })
  const phases = createPhases(settings)
  assert.throws(
    () => checkPhases(phases, settings),
    (error: Error) => {
      assert.deepEqual(error.message.match(/--[\w-]+(?: or --[\w-]+)* is required/g), [
        '--aad-application-name is required',
        '--service-account-name is required',
        '--service-account-issuer-url is required',
        '--azure-scope is required',
        '--azure-role is required',
      ])
      return true
    },
  )
  const alone = phases.filter(({ name }) => name === 'role-assignment')
  assert.throws(
    () => checkPhases(alone, settings),
    /--service-principal-name or --service-principal-object-id is required/,
  )
})
