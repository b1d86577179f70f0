import type { Vault } from '#azure/keyvault'
import { concealedName } from '#kubernetes/client'
import { listOf, parseJson } from '#lib/formats'

/** Whether an object of a vault may have changed; an empty name is for the list of all. */
export type ChangedObjects = (vault: Vault, name: string) => boolean

/**
 * The attribute `keymount.dev/changed`: a JSON array of ids of objects or vaults, or of `*`. Undefined without one. Whatever cannot
 * be understood stands for any object: the worst that follows is a read. An event of a certificate is one of its key and secret too, so the
 * collection of an id does not matter.
 */
export function parseChanged(text: string | undefined): ChangedObjects | undefined {
  if (text === undefined) return undefined
  const ids = idsOf(text)
  const keys = new Set<string>()
  const hosts = new Set<string>()
  for (const id of ids) {
    if (typeof id !== 'string' || !URL.canParse(id)) return () => true
    const { host, pathname } = new URL(id)
    const [, , name = ''] = pathname.split('/')
    keys.add(keyOf(host, name))
    hosts.add(host)
  }
  return ({ origin }, name) => {
    const { host } = new URL(origin)
    // A list may have changed with any object of the vault.
    if (name === '') return hosts.has(host)
    return [name, concealedName(name), ''].some((one) => keys.has(keyOf(host, one)))
  }
}

function idsOf(text: string): readonly unknown[] {
  try {
    return listOf(parseJson('changed objects', text)) ?? ['*']
  } catch {
    return ['*']
  }
}

/** Names of objects do not differ by case. */
function keyOf(host: string, name: string): string {
  return `${host}/${name}`.toLowerCase()
}
