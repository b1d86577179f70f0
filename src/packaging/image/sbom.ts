import type { ThirdParty } from './third-party.ts'

/**
 * What the image is made of, as CycloneDX 1.6. Without time and serial number: the same content gives the same bytes.
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

function component({ name, version, purl, licence, integrity }: ThirdParty): object {
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
      : {
          hashes: [
            {
              alg: algorithm.replace('sha', 'SHA-').toUpperCase(),
              content: Buffer.from(digest, 'base64').toString('hex'),
            },
          ],
        }),
  }
}
