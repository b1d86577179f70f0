import assert from 'node:assert/strict'
import type { MountRequest, MountResponse } from '#kubernetes/provider-protocol'
import { createLog, type Log } from '#lib'

/**
 * Listens to everything that a provider says (log, errors, metrics), learns from its calls what is secret, and tells whether
 * the two have met. Every test that starts a provider is so a test that it keeps secrets.
 */
export interface Confidant {
  log: Log
  hear(text: string): void
  /** Proofs of identity that a request carries. */
  learnRequest(request: Partial<MountRequest>): void
  /** Contents of files. */
  learnAnswer(answer: MountResponse): void
  /** Throws an assertion error that names how each leak begins. */
  assertKept(): void
}

/** Shorter texts could be anywhere by chance. */
const shortest = 6
const tokenShape = /eyJ[\w-]{10,}\.[\w-]{10,}/

export function createConfidant(): Confidant {
  const said: string[] = []
  // Tests plant values with this word where no answer would give them away.
  const secrets = new Set(['planted'])
  const learn = (secret: string) => {
    if (secret.trim().length >= shortest) secrets.add(secret.trim())
  }
  const hear = (text: string) => void said.push(text)
  return {
    log: createLog({ name: 'provider', level: 'debug', stream: { write: hear } }),
    hear,
    learnRequest({ attributes = '', secrets: given = '' }) {
      for (const [token = ''] of attributes.matchAll(new RegExp(`${tokenShape.source}\\.[\\w-]+`, 'g'))) {
        learn(token.split('.').at(-1) ?? '')
      }
      for (const [key, value] of Object.entries(parsed(given))) if (!/^clientid$/i.test(key)) learn(String(value))
    },
    learnAnswer({ files }) {
      for (const { contents } of files) learn(contents.toString('utf8'))
    },
    assertKept() {
      const text = said.join('\n')
      // In JSON lines a value stands escaped.
      const found = [...secrets].filter(
        (secret) => text.includes(secret) || text.includes(JSON.stringify(secret).slice(1, -1)),
      )
      const token = tokenShape.exec(text)?.[0]
      const leaks = [...found, ...(token === undefined ? [] : [token])]
      assert.deepEqual(
        leaks.map(
          (leak) => `${leak.slice(0, 8)}… in: …${text.slice(Math.max(0, text.indexOf(leak) - 200)).slice(0, 400)}…`,
        ),
        [],
        'the provider told a secret',
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
