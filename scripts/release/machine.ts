import { dockerfilePins } from './dockerfile.ts'

/** An entry of the bill of materials, as far as a release looks into it. */
export interface Component {
  name: string
  version: string
  purl: string
  hashes?: { alg: string; content: string }[]
  components?: Omit<Component, 'version' | 'purl' | 'components'>[]
}

/** What the image got from the machine that built it: Node, and packages with the files that were taken. */
export function machineComponents(sbom: string): Component[] {
  const { components } = JSON.parse(sbom) as { components: Component[] }
  return components.filter(({ purl }) => !purl.startsWith('pkg:npm/'))
}

/**
 * Packages of the machine in versions that the Dockerfile does not pin, for people: `iptables is 1.8.10-1, not 1.8.9-2`. The pinned
 * packages that are only needed to install others give no files.
 */
export function differencesFromPins(dockerfile: string, sbom: string): string[] {
  const taken = new Map(
    machineComponents(sbom)
      .filter(({ purl }) => purl.startsWith('pkg:deb/'))
      .map(({ name, version }) => [name, version]),
  )
  return dockerfilePins(dockerfile).packages.flatMap(({ name, version }) => {
    const found = taken.get(name)
    if (found === undefined) return name === 'iptables' ? [`${name} is missing, not ${version}`] : []
    return found === version ? [] : [`${name} is ${found}, not ${version}`]
  })
}
