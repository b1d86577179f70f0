import type { HttpResponse } from '#lib/http'
import type { Vault } from './vault-address.ts'
import { VaultError } from './vault-error.ts'

/**
 * The resource that a vault wants a token for, from its 401; undefined when it names none. Throws for one that is neither a
 * parent of the vault's own domain nor on the host of the resource that was asked for: a token for it would work elsewhere.
 * https://aka.ms/azsdk/blog/vault-uri
 */
export function challengeResource(vault: Vault, { headers }: HttpResponse, asked: string): string | undefined {
  const challenge = (headers['www-authenticate'] ?? '').slice(0, 2048)
  const wanted = /(?:resource|scope)="?([^",\s]{1,500})/i.exec(challenge)?.[1]?.replace(/\/\.default$/, '')
  if (wanted === undefined || !URL.canParse(wanted)) return undefined
  const { host } = new URL(vault.origin)
  const url = new URL(wanted)
  const isParent = host.endsWith(`.${url.host}`) && url.host.includes('.')
  if (url.protocol === 'https:' && (isParent || url.host === new URL(asked).host)) return wanted.replace(/\/$/, '')
  throw new VaultError(
    'vault-challenge-refused',
    `challenge resource "${wanted}" doesn't match the requested domain ${host}; refused to sign in for it`,
  )
}
