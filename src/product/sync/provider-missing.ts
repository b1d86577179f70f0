import { providersIn } from '#kubernetes/provider-protocol'

/** Names that an error lists at most. */
const maxListed = 20

/** For a class whose provider has no socket: where it was expected, and which providers are there. */
export function providerMissing(provider: string, directories: readonly string[]): string {
  const names = providersIn(directories)
  const found = names.length === 0 ? 'there are none' : `there are ${names.slice(0, maxListed).join(', ')}`
  return `no provider "${provider.slice(0, 64)}" answers in ${directories.join(', ')}: ${found} [provider-missing]`
}
