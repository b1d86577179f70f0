/** The Lua of deploy/argocd in gopher-lua, the interpreter of Argo CD, with the libraries that Argo CD gives such scripts. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { resources } from '#kubernetes/client'
import { startSyncLab } from '../../product/sync/sync-lab.ts'
import { findProgram } from '../../support/find-program.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const glua = findProgram('glua', 'KEYMOUNT_GLUA')
const needsLua = glua === undefined ? { skip: 'glua not found: put it on the PATH or name it in KEYMOUNT_GLUA' } : {}

const { data } = parse(readFileSync(join(import.meta.dirname, '../../../deploy/argocd/argocd-cm.yaml'), 'utf8')) as {
  data: Record<string, string>
}
const health = data['resource.customizations.health.secret-sync.x-k8s.io_SecretSync'] ?? ''

interface Actions {
  'discovery.lua': string
  definitions: { name: string; 'action.lua': string }[]
}

function actionsOf(kind: string): Actions {
  return parse(data[`resource.customizations.actions.${kind}`] ?? '') as Actions
}

/** What a script returns for an object. */
function evaluate(t: TestContext, script: string, obj: unknown): unknown {
  const file = join(temporaryDirectory(t, 'lua-'), 'script.lua')
  writeFileSync(
    file,
    `os = { date = os.date, time = os.time }
local print, io_, require_, dofile_, loadfile_ = print, io, require, dofile, loadfile
io, require, dofile, loadfile, package, debug, coroutine = nil, nil, nil, nil, nil, nil, nil
obj = ${luaOf(obj)}
local function run()
${script}
end
${printer}
print(json(run()))
`,
  )
  return JSON.parse(execFileSync(glua ?? '', [file], { encoding: 'utf8' }))
}

const printer = `local function json(value)
  if type(value) == "table" then
    local parts = {}
    if #value > 0 then
      for _, one in ipairs(value) do table.insert(parts, json(one)) end
      return "[" .. table.concat(parts, ",") .. "]"
    end
    for name, one in pairs(value) do table.insert(parts, string.format("%q", name) .. ":" .. json(one)) end
    return "{" .. table.concat(parts, ",") .. "}"
  end
  if type(value) == "string" then return string.format("%q", value) end
  return tostring(value)
end`

function luaOf(value: unknown): string {
  if (Array.isArray(value)) return `{ ${value.map(luaOf).join(', ')} }`
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([name, one]) => `[${JSON.stringify(name)}] = ${luaOf(one)}`)
      .join(', ')} }`
  return value === null ? 'nil' : JSON.stringify(value)
}

test(
  'Argo CD sees the health of a SecretSync: before its first check, when it is synced, when it fails, and after a change',
  needsLua,
  async (t) => {
    const lab = await startSyncLab(t)
    await lab.azure.setSecret(lab.vault, 'db', 'a value')
    await lab.createClass('app', [{ objectName: 'db', objectType: 'secret' }])
    const healthOf = (obj: unknown) => evaluate(t, health, obj) as { status: string; message?: string }
    const fresh = await lab.createSync('app-db')
    assert.deepEqual(healthOf(fresh), { status: 'Progressing', message: 'waiting for the first check' })
    lab.start()
    await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
    const synced = await lab.sync('app-db')
    assert.equal(healthOf(synced).status, 'Healthy')
    const changed = { ...synced, metadata: { ...synced.metadata, generation: (synced.metadata.generation ?? 0) + 1 } }
    assert.deepEqual(healthOf(changed), { status: 'Progressing', message: 'waiting for a check of the last change' })
    await lab.createSync('wrong', { secretObject: { data: [{ sourcePath: 'database', targetKey: 'password' }] } })
    await lab.condition('wrong', 'Ready', 'False', 'RemoteSecretStoreFetchFailed')
    const { status, message } = healthOf(await lab.sync('wrong'))
    assert.equal(status, 'Degraded')
    assert.match(message ?? '', /^RemoteSecretStoreFetchFailed: sourcePath "database" is not a file/)
  },
)

test('the actions of SecretSync and class change what starts a check, and nothing else', needsLua, async (t) => {
  for (const kind of ['secret-sync.x-k8s.io_SecretSync', 'secrets-store.csi.x-k8s.io_SecretProviderClass']) {
    const { 'discovery.lua': discovery, definitions } = actionsOf(kind)
    const found = evaluate(t, discovery, {}) as Record<string, unknown>
    assert.deepEqual(
      Object.keys(found),
      definitions.map(({ name }) => name),
    )
  }
  const lab = await startSyncLab(t)
  const sync = await lab.createSync('app-db')
  const [forceSync] = actionsOf('secret-sync.x-k8s.io_SecretSync').definitions
  const forced = evaluate(t, forceSync?.['action.lua'] ?? '', {
    metadata: sync.metadata,
    spec: sync.spec,
  }) as typeof sync
  const { forceSynchronization, ...rest } = forced.spec
  assert.deepEqual(rest, sync.spec)
  // The API server checks the value by the schema of the kind.
  await lab.kube.patch(
    resources.secretSyncs,
    { namespace: 'default', name: 'app-db' },
    { spec: { forceSynchronization } },
  )

  const [rotate] = actionsOf('secrets-store.csi.x-k8s.io_SecretProviderClass').definitions
  for (const annotations of [undefined, { team: 'shop' }]) {
    const metadata = { name: 'app', ...(annotations === undefined ? {} : { annotations }) }
    const rotated = evaluate(t, rotate?.['action.lua'] ?? '', { metadata }) as { metadata: typeof metadata }
    const { 'keymount.dev/rotate': time = '', ...others } = rotated.metadata.annotations as Record<string, string>
    assert.deepEqual(others, annotations ?? {})
    assert.ok(Date.parse(time) > Date.now() - 60_000)
  }
})
