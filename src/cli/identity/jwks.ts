import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorMessage, Problems } from '#lib'
import { makeDirectories, replaceFile } from '#lib/files'
import { decodePem, encodePem, parseJson } from '#lib/formats'
import { type CliWorld, exitCodes } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import type { ClusterOption } from '../options.ts'

export interface JwksCommand {
  /** PEM files: public keys, private keys or certificates. */
  publicKeys: readonly string[]
  /** Use the keys that the cluster publishes instead. */
  fromCluster: boolean
  /** Default: standard output. */
  outputFile: string | undefined
  /** If set, both documents of this issuer are written below `outputDirectory`. */
  issuerUrl: string | undefined
  outputDirectory: string | undefined
  cluster: ClusterOption
  world: CliWorld
}

/** One public key, with its members in the order of azwi. https://www.rfc-editor.org/rfc/rfc7517 */
export interface PublishedKey {
  use: 'sig'
  kty: string
  kid: string
  crv?: string
  alg: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** `keymount identity jwks`: the public keys of an issuer, in the form in which Entra fetches them. */
export async function jwks(command: JwksCommand): Promise<number> {
  const { outputFile, issuerUrl, outputDirectory, world } = command
  checkOptions(command)
  const document = command.fromCluster ? await clusterJwks(command) : renderJwks(command.publicKeys)
  if (issuerUrl !== undefined && outputDirectory !== undefined) {
    writeIssuerDocuments(outputDirectory, issuerUrl, document)
  } else if (outputFile === undefined) {
    world.stdout.write(world.stdout.isTTY === true ? `${document}\n` : document)
  } else {
    replaceFile(outputFile, document)
  }
  return exitCodes.ok
}

function checkOptions({ publicKeys, fromCluster, issuerUrl, outputDirectory }: JwksCommand): void {
  const problems = new Problems()
  if (publicKeys.length === 0 && !fromCluster) problems.add('', '--public-keys is required (or --from-cluster)')
  if ((issuerUrl === undefined) !== (outputDirectory === undefined)) {
    problems.add('', '--issuer-url and --output-dir must be given together')
  }
  if (issuerUrl !== undefined && !issuerUrl.startsWith('https://')) {
    problems.unexpected('--issuer-url', issuerUrl, 'a URL that begins with https://')
  }
  problems.throwIfAny('options')
}

/** The JSON of the key set: indented by two spaces, without a final newline. Throws `ProblemsError`. */
function renderJwks(paths: readonly string[]): string {
  const problems = new Problems()
  const keys = paths.flatMap((path) => {
    try {
      return readPublicKeys(readFileSync(path, 'utf8')).map(publishedKey)
    } catch (error) {
      problems.add(path, errorMessage(error))
      return []
    }
  })
  problems.throwIfAny('--public-keys')
  return JSON.stringify({ keys }, null, 2)
}

/** The public keys of a PEM text with blocks of any kind. */
function readPublicKeys(text: string): KeyObject[] {
  const blocks = decodePem(text)
  if (blocks.length === 0) throw new Error('found no PEM block, expected a public key, a private key or a certificate')
  return blocks
    .filter(({ label }) => label === 'CERTIFICATE' || label.endsWith('KEY'))
    .map((block) =>
      block.label === 'CERTIFICATE' ? new X509Certificate(block.der).publicKey : createPublicKey(encodePem(block)),
    )
}

const curveAlgorithms: Record<string, string> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }

/** The key id is the one in the tokens of kube-apiserver: SHA-256 of the DER of the public key. */
function publishedKey(key: KeyObject): PublishedKey {
  const der = key.export({ type: 'spki', format: 'der' })
  const kid = createHash('sha256').update(der).digest('base64url')
  const { kty = '', crv, x, y, n, e } = key.export({ format: 'jwk' })
  if (kty === 'RSA' && n !== undefined && e !== undefined) return { use: 'sig', kty, kid, alg: 'RS256', n, e }
  const alg = curveAlgorithms[crv ?? '']
  if (kty === 'EC' && crv !== undefined && alg !== undefined && x !== undefined && y !== undefined) {
    return { use: 'sig', kty, kid, crv, alg, x, y }
  }
  throw new Error(
    `found a key of type ${kty}${crv === undefined ? '' : ` on ${crv}`}, expected RSA, P-256, P-384 or P-521`,
  )
}

function clusterJwks({ cluster, world }: JwksCommand): Promise<string> {
  return withCluster(cluster, world, async ({ kube }) => {
    const text = await kube.raw({ method: 'GET', path: '/openid/v1/jwks' })
    return JSON.stringify(parseJson('the key set of the cluster', text), null, 2)
  })
}

/** The two static files of an issuer's URL. https://openid.net/specs/openid-connect-discovery-1_0.html */
function writeIssuerDocuments(directory: string, issuer: string, keySet: string): void {
  const documents = {
    '.well-known/openid-configuration': JSON.stringify(discoveryDocument(issuer), null, 2),
    'openid/v1/jwks': keySet,
  }
  for (const [name, text] of Object.entries(documents)) {
    const path = join(directory, name)
    makeDirectories(dirname(path))
    replaceFile(path, text, 0o644)
  }
}

/** The issuer is written exactly as given, with or without a final slash: Entra compares it with the token's, byte for byte. */
export function discoveryDocument(issuer: string) {
  return {
    issuer,
    jwks_uri: `${issuer.replace(/\/+$/, '')}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}
