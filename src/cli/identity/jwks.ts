import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createKubeClient } from '#kubernetes/client'
import type { LabHome } from '#lab/home'
import { readKubeconfig } from '#lab/home'
import { errorMessage, type Problem, ProblemsError } from '#lib'
import { decodePem, encodePem } from '#lib/formats'
import type { CliWorld } from '#terminal'
import { exitCodes } from '#terminal'
import { chosenKubeconfig } from '../chosen-kubeconfig.ts'

export interface JwksCommand {
  /** PEM files: public keys, private keys or certificates. */
  publicKeys: readonly string[]
  /** Take the keys that the cluster publishes instead. */
  fromCluster: boolean
  /** Default: standard output. */
  outputFile: string | undefined
  /** With it, both documents of this issuer are written below `outputDirectory`. */
  issuerUrl: string | undefined
  outputDirectory: string | undefined
  kubeconfig: string | undefined
  home: LabHome
  world: CliWorld
}

/** One public key, with its members in upstream's order. https://www.rfc-editor.org/rfc/rfc7517 */
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
    writeFileSync(outputFile, document, { mode: 0o600 })
    // The mode above holds for a new file only.
    chmodSync(outputFile, 0o600)
  }
  return exitCodes.ok
}

function checkOptions({ publicKeys, fromCluster, issuerUrl, outputDirectory }: JwksCommand): void {
  const problems: Problem[] = []
  if (publicKeys.length === 0 && !fromCluster) {
    problems.push({ path: '', message: '--public-keys is required (or --from-cluster)' })
  }
  if ((issuerUrl === undefined) !== (outputDirectory === undefined)) {
    problems.push({ path: '', message: '--issuer-url and --output-dir belong together' })
  }
  if (issuerUrl !== undefined && !issuerUrl.startsWith('https://')) {
    problems.push({ path: '--issuer-url', message: `found "${issuerUrl}", expected a URL that begins with https://` })
  }
  if (problems.length > 0) throw new ProblemsError('options', problems)
}

/** The JSON of the key set: two blanks of indent, no final newline. Throws {@link ProblemsError}. */
export function renderJwks(paths: readonly string[]): string {
  const problems: Problem[] = []
  const keys = paths.flatMap((path) => {
    try {
      return readPublicKeys(readFileSync(path, 'utf8')).map(publishedKey)
    } catch (error) {
      problems.push({ path, message: errorMessage(error) })
      return []
    }
  })
  if (problems.length > 0) throw new ProblemsError('--public-keys', problems)
  return JSON.stringify({ keys }, null, 2)
}

/** The public keys of a PEM text, of whatever kind its blocks are. */
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

/** The key id is the one that kube-apiserver writes into its tokens: SHA-256 of the DER of the public key. */
export function publishedKey(key: KeyObject): PublishedKey {
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

async function clusterJwks({ kubeconfig, home, world }: JwksCommand): Promise<string> {
  const kube = createKubeClient(readKubeconfig(chosenKubeconfig(world, home, kubeconfig), world.env))
  try {
    const text = await kube.raw({ method: 'GET', path: '/openid/v1/jwks' })
    return JSON.stringify(JSON.parse(text), null, 2)
  } finally {
    kube.close()
  }
}

/** The two static files that stand behind an issuer's URL. https://openid.net/specs/openid-connect-discovery-1_0.html */
function writeIssuerDocuments(directory: string, issuer: string, keySet: string): void {
  const documents = {
    '.well-known/openid-configuration': JSON.stringify(discoveryDocument(issuer), null, 2),
    'openid/v1/jwks': keySet,
  }
  for (const [name, text] of Object.entries(documents)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

/** The issuer stays as it is, with or without a slash at its end: Entra compares it with the token's, byte for byte. */
export function discoveryDocument(issuer: string) {
  return {
    issuer,
    jwks_uri: `${issuer.replace(/\/+$/, '')}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}
