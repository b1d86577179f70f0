/** Signatures in Sigstore's bundle format with a key, as `cosign --key` makes and verifies them. */
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { bundleFromJSON, bundleToJSON, toDSSEBundle, toMessageSignatureBundle } from '@sigstore/bundle'
import { dsse } from '@sigstore/core'
import { toSignedEntity, Verifier } from '@sigstore/verify'

export interface Signer {
  /** The public key as PEM, for `cosign verify-blob --key`. */
  publicKey: string
  /** A bundle over these bytes. */
  signBlob(bytes: Buffer): Buffer
  /** A bundle with an in-toto statement in a DSSE envelope. */
  signStatement(statement: Statement): Buffer
}

/** https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md */
export interface Statement {
  _type: 'https://in-toto.io/Statement/v1'
  subject: readonly { name: string; digest: { sha256: string } }[]
  predicateType: string
  predicate: object
}

const statementType = 'application/vnd.in-toto+json'

/**
 * What `cosign sign` states about an image: that its signer has seen the manifest with this digest.
 * https://github.com/sigstore/cosign/blob/main/specs/COSIGN_PREDICATE_SPEC.md
 */
export function signedImage(reference: string, digest: string): Statement {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: reference, digest: { sha256: digest.replace('sha256:', '') } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
  }
}

/** A signer with a new ECDSA P-256 key, which exists only in this process. */
export function createSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyHint = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64')
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    signBlob: (bytes) => {
      const digest = createHash('sha256').update(bytes).digest()
      return toFile(toMessageSignatureBundle({ digest, signature: sign('sha256', bytes, privateKey), keyHint }))
    },
    signStatement: (statement) => {
      const artifact = Buffer.from(JSON.stringify(statement))
      const signature = sign('sha256', dsse.preAuthEncoding(statementType, artifact), privateKey)
      const bundle = toDSSEBundle({ artifact, artifactType: statementType, signature, keyHint })
      // The key is named beside the envelope. An envelope that names it, too, is refused by cosign, which has another name for it.
      for (const each of bundle.content.dsseEnvelope.signatures) each.keyid = ''
      return toFile(bundle)
    },
  }
}

/** Throws unless the bundle is a signature of these bytes with this key. */
export function verifyBlob(publicKey: string, bundle: Buffer, bytes: Buffer): void {
  const parsed = bundleFromJSON(JSON.parse(bundle.toString()))
  if (parsed.content.$case !== 'messageSignature') throw new Error('the bundle has no signature of a file')
  verifierFor(publicKey).verify(toSignedEntity(parsed, bytes))
}

/** The statement of a bundle. Throws unless it is signed with this key. */
export function verifyStatement(publicKey: string, bundle: Buffer): Statement {
  const parsed = bundleFromJSON(JSON.parse(bundle.toString()))
  if (parsed.content.$case !== 'dsseEnvelope') throw new Error('the bundle has no statement')
  verifierFor(publicKey).verify(toSignedEntity(parsed))
  return JSON.parse(parsed.content.dsseEnvelope.payload.toString()) as Statement
}

/** Trusts one key. Signatures with a key of our own are in no transparency log and have no timestamp. */
function verifierFor(publicKey: string): Verifier {
  const key = { publicKey: createPublicKey(publicKey), validFor: () => true }
  const trust = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [], publicKey: () => key }
  return new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 })
}

function toFile(bundle: Parameters<typeof bundleToJSON>[0]): Buffer {
  return Buffer.from(`${JSON.stringify(bundleToJSON(bundle))}\n`)
}
