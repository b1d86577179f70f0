import assert from 'node:assert/strict'
import type { MountRequest, MountResponse } from '#kubernetes/provider-protocol'
import { createLog, type Log } from '#lib'

/**
 * Collects everything that a provider prints (log, errors, metrics) and the secrets of its calls, and finds secrets in the
 * output. Every test that starts a provider also tests that it prints no secret.
 */
export interface LeakDetector {
  log: Log
  addOutput(text: string): void
  /** Proofs of identity that a request carries. */
  addSecretsOf(request: Partial<MountRequest>): void
  /** Contents of files. */
  addFilesOf(answer: MountResponse): void
  /** Throws an assertion error that names how each leak begins. */
  assertNone(): void
}

/** Shorter texts could be anywhere by chance. */
const shortest = 6
const tokenShape = /eyJ[\w-]{10,}\.[\w-]{10,}/

export function createLeakDetector(): LeakDetector {
  const output: string[] = []
  // Tests plant values with this word where no answer would give them away.
  const secrets = new Set(['planted'])
  const addSecret = (secret: string) => {
    if (secret.trim().length >= shortest) secrets.add(secret.trim())
  }
  const addOutput = (text: string) => void output.push(text)
  return {
    log: createLog({ name: 'provider', level: 'debug', stream: { write: addOutput } }),
    addOutput,
    addSecretsOf({ attributes = '', secrets: given = '' }) {
      for (const [token = ''] of attributes.matchAll(new RegExp(`${tokenShape.source}\\.[\\w-]+`, 'g'))) {
        addSecret(token.split('.').at(-1) ?? '')
      }
      for (const [key, value] of Object.entries(parsed(given))) if (!/^clientid$/i.test(key)) addSecret(String(value))
    },
    addFilesOf({ files }) {
      for (const { contents } of files) addSecret(contents.toString('utf8'))
    },
    assertNone() {
      const text = output.join('\n')
      // JSON lines have values escaped.
      const found = [...secrets].filter(
        (secret) => text.includes(secret) || text.includes(JSON.stringify(secret).slice(1, -1)),
      )
      const token = tokenShape.exec(text)?.[0]
      const texts = [...found, ...(token === undefined ? [] : [token])]
      assert.deepEqual(
        texts.map(
          (leak) => `${leak.slice(0, 8)}… in: …${text.slice(Math.max(0, text.indexOf(leak) - 200)).slice(0, 400)}…`,
        ),
        [],
        'the provider printed a secret',
      )
    },
  }
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
