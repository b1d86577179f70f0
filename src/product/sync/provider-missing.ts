import { readdir } from 'node:fs/promises'

/** Names that an error lists at most. */
const maxListed = 20

/** For a class whose provider has no socket: where it was expected, and which providers are there. */
export async function providerMissing(provider: string, directories: readonly string[]): Promise<string> {
  const entries = await Promise.all(directories.map((directory) => readdir(directory).catch(() => [])))
  const names = entries
    .flat()
    .flatMap((name) => /^([\w-]+)\.sock$/.exec(name)?.[1] ?? [])
    .toSorted()
  const found = names.length === 0 ? 'there are none' : `there are ${names.slice(0, maxListed).join(', ')}`
  return `no provider "${provider.slice(0, 64)}" answers in ${directories.join(', ')}: ${found} [provider-missing]`
}
