import type { ThirdParty } from './third-party.ts'

/**
 * What the image is made of, as CycloneDX 1.6, down to each file that the build took from the machine. Without time and serial number: the same content gives the same bytes.
 * https://cyclonedx.org/docs/1.6/json/
 */
export function sbom(version: string, all: readonly ThirdParty[]): object {
  const purl = `pkg:oci/keymount@${version}?repository_url=ghcr.io/keymount/keymount`
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'container',
        'bom-ref': purl,
        name: 'keymount',
        version,
        purl,
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
    },
    components: all.map(component),
    dependencies: [{ ref: purl, dependsOn: all.map(({ purl: ref }) => ref) }],
  }
}

function component({ name, version, purl, licence, integrity, files = [] }: ThirdParty): object {
  const [, algorithm, digest] = /^(sha\d+)-(.+)$/.exec(integrity ?? '') ?? []
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(licence === undefined ? {} : { licenses: [{ expression: licence }] }),
    ...(algorithm === undefined || digest === undefined
      ? {}
      : { hashes: [hash(algorithm, Buffer.from(digest, 'base64').toString('hex'))] }),
    ...(files.length === 0
      ? {}
      : {
          components: files.map(({ path, sha256 }) => ({ type: 'file', name: path, hashes: [hash('sha256', sha256)] })),
        }),
  }
}

function hash(algorithm: string, content: string): object {
  return { alg: algorithm.replace('sha', 'SHA-'), content }
}
