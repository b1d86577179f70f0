import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { type CredentialSources, dockerCredentials } from './docker-credentials.ts'

/** A home directory with this configuration, and a `PATH` of its own. */
function homeWith(t: TestContext, config: unknown): CredentialSources & { bin: string } {
  const userHome = temporaryDirectory(t)
  const bin = join(userHome, 'bin')
  mkdirSync(bin)
  mkdirSync(join(userHome, '.docker'))
  writeFileSync(join(userHome, '.docker/config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  return { userHome, bin, env: { PATH: `${bin}:/usr/bin:/bin` } }
}

async function found(registry: string, sources: CredentialSources): Promise<string | undefined> {
  const credentials = await dockerCredentials(registry, sources)
  if (credentials === undefined) return undefined
  return credentials.kind === 'password'
    ? `${credentials.username}:${credentials.password.revealText()}`
    : `token ${credentials.token.revealText()}`
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('an entry of docker login is found by each form of its name', async (t) => {
  const sources = homeWith(t, {
    auths: {
      'plain.example': { auth: base64('ada:pass:word') },
      'https://old.example/v1/': { auth: base64('ada:old') },
      'https://index.docker.io/v1/': { auth: base64('ada:hub') },
      'token.example': { auth: base64('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh' },
      'empty.example': {},
    },
  })
  assert.equal(await found('plain.example', sources), 'ada:pass:word')
  assert.equal(await found('old.example', sources), 'ada:old')
  assert.equal(await found('docker.io', sources), 'ada:hub')
  assert.equal(await found('token.example', sources), 'token refresh')
  assert.equal(await found('empty.example', sources), undefined)
  assert.equal(await found('other.example', sources), undefined)
})

test('a credential helper is asked, that of the registry before that of all', async (t) => {
  const sources = homeWith(t, { credsStore: 'all', credHelpers: { 'one.example': 'one' } })
  const script = (answer: string) => `#!/bin/sh\nread -r host\nprintf '${answer}' "$host"\n`
  const write = (name: string, text: string) =>
    writeFileSync(join(sources.bin, `docker-credential-${name}`), text, { mode: 0o755 })
  write('all', script('{"Username":"ada","Secret":"of %s"}'))
  write('one', script('{"Username":"<token>","Secret":"refresh"}'))
  assert.equal(await found('any.example', sources), 'ada:of any.example')
  assert.equal(await found('one.example', sources), 'token refresh')
  write('all', '#!/bin/sh\necho "credentials not found in native keychain"\nexit 1\n')
  assert.equal(await found('any.example', sources), undefined)
})

test('what cannot be used is reported without what it holds', async (t) => {
  const missing = homeWith(t, { credsStore: 'gone' })
  await assert.rejects(found('a.example', missing), /docker-credential-gone, which Docker's configuration names/)
  const elsewhere = homeWith(t, { credsStore: '../evil' })
  await assert.rejects(found('a.example', elsewhere), /name of a credential helper is not valid/)
  const broken = homeWith(t, { auths: { 'a.example': { auth: base64('secret without a colon') } } })
  await assert.rejects(found('a.example', broken), (error: Error) => {
    assert.match(error.message, /auths\["a\.example"\]\.auth is not base64 of USER:PASSWORD/)
    return !error.message.includes('secret')
  })
  await assert.rejects(found('a.example', homeWith(t, '[]')), /is not a JSON object/)
})

test('without a file there is nothing', async (t) => {
  assert.equal(await found('a.example', { env: {}, userHome: temporaryDirectory(t) }), undefined)
})
