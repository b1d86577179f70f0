import type { ObjectSpec } from '#azure/class'
import type { ObjectAttributes, Vault } from '#azure/keyvault'
import { errorMessage, SecretValue } from '#lib'
import { encodePem } from '#lib/formats'
import type { TaskRunner } from '#lib/worker'
import type { CountedBytes } from './byte-budget.ts'
import { decodeValue } from './decode-value.ts'
import { type JsonExtractor, jsonExtractor } from './extract-json.ts'
import { MountError } from './mount-error.ts'
import { renderCertificateSecret, splitCertificateAndKey } from './render-certificate-secret.ts'
import { renderPublicKey } from './render-public-key.ts'
import { selectVersions } from './select-versions.ts'
import type { VaultReader } from './vault-reader.ts'

/** A file of the volume with the object that it came from. */
export interface ObjectFile {
  path: string
  mode: number
  contents: SecretValue
  /** Id and version as `SecretProviderClassPodStatus` shows them. */
  objectId: string
  version: string
  /** Position of its entry in the class. */
  entry: string
  /** Whether only templates use it. */
  onlyTemplates: boolean
}

export interface ReadObjectOptions {
  reader: VaultReader
  vault: Vault
  defaultMode: number
  /** On whose behalf content is parsed, see `TaskOptions`. */
  owner: string
  /** Where certificates with their keys are parsed. */
  tasks: TaskRunner
  /** What the files of the mount have together. */
  bytes: CountedBytes
  constructPemChain: boolean
  /** Beside the combined file of a certificate's secret, `.crt` and `.key`. */
  separateFiles: boolean
  /** Called with what a user should know about an object although it was mounted. */
  onRemark: (object: ObjectSpec, text: string) => void
  /**
   * Called with times of validity and the last change, for metrics and warnings.
   * @param isCertificate true also for the secret with the key of a certificate
   */
  onAttributes: (object: ObjectSpec, attributes: ObjectAttributes, isCertificate: boolean) => void
}

/** What one object of a vault is in the volume, before names and modes. */
interface Content {
  /** Undefined for the object's own file; a suffix such as `.crt` for those beside it. */
  suffix: string
  contents: SecretValue
}

/** Every file of one object: one, or one per version, or one per extract, and `.crt` and `.key` if asked for. */
export async function readObject(object: ObjectSpec, options: ReadObjectOptions): Promise<ObjectFile[]> {
  if (object.history <= 1) return readVersion(object, { version: object.version, index: undefined }, options)
  const listed = await options.reader.versions(options.vault, object.type, object.name)
  const selected = selectVersions(listed, { from: object.version, count: object.history })
  if (selected === undefined || selected.length === 0) throw versionMissing(object, options.vault)
  const files = selected.map(({ version }, index) => readVersion(object, { version, index }, options))
  return (await Promise.all(files)).flat()
}

async function readVersion(
  object: ObjectSpec,
  { version, index }: { version: string; index: number | undefined },
  options: ReadObjectOptions,
): Promise<ObjectFile[]> {
  const { contents, version: found } = await readContents(object, version, options)
  const inFolder = (name: string) => (index === undefined ? name : `${name}/${index}`)
  const counted = (file: ObjectFile) => {
    options.bytes.add(file.contents.size + 2 * file.path.length + fileOverhead)
    return file
  }
  const objectId = inFolder(`${object.type}/${object.name}`)
  const common = { objectId, version: found, entry: object.path, onlyTemplates: object.onlyTemplates }
  if (object.extracts.length > 0) {
    const extract = extractorOf(object, contents.at(-1)?.contents ?? SecretValue.of(''))
    return object.extracts.map((one) =>
      counted({
        ...common,
        path: inFolder(one.fileName),
        mode: one.mode ?? object.mode ?? options.defaultMode,
        contents: extract(one),
      }),
    )
  }
  return contents.map(({ suffix, contents: bytes }) =>
    counted({
      ...common,
      path: `${inFolder(object.fileName)}${suffix}`,
      mode: object.mode ?? options.defaultMode,
      contents: bytes,
    }),
  )
}

/** About what ids, version and framing of one file take in the answer. */
const fileOverhead = 256

async function readContents(
  object: ObjectSpec,
  version: string,
  options: ReadObjectOptions,
): Promise<{ contents: Content[]; version: string }> {
  const { reader, vault } = options
  switch (object.type) {
    case 'secret': {
      const secret = await reader.secret(vault, object.name, version)
      options.onAttributes(object, secret.attributes, secret.ofCertificate)
      const rendered = secret.ofCertificate
        ? await usable(() => certificateContents(object, secret, options))
        : [{ suffix: '', contents: secret.value }]
      if (!secret.ofCertificate && object.encoding === 'utf-8' && looksLikePfx(secret.value))
        options.onRemark(object, 'the secret is a PFX file in base64; objectEncoding: base64 gives the file itself')
      return { contents: await usable(async () => decoded(rendered, object)), version: secret.version }
    }
    case 'key': {
      const key = await reader.key(vault, object.name, version)
      options.onAttributes(object, key.attributes, false)
      const pem = await usable(async () => renderPublicKey(key.jwk))
      return { contents: [{ suffix: '', contents: SecretValue.of(pem) }], version: key.version }
    }
    case 'cert': {
      const { der, version: found, attributes } = await reader.certificate(vault, object.name, version)
      options.onAttributes(object, attributes, true)
      const pem = encodePem({ label: 'CERTIFICATE', der })
      return { contents: [{ suffix: '', contents: SecretValue.of(pem) }], version: found }
    }
    default:
      throw new Error(`unknown object type ${JSON.stringify(object.type satisfies never)}`)
  }
}

/** `.crt`, `.key`, then the combined file, in upstream's order. A PFX has no blocks to split. */
async function certificateContents(
  object: ObjectSpec,
  secret: { value: SecretValue; contentType: string | undefined },
  options: ReadObjectOptions,
): Promise<Content[]> {
  const combined = await renderCertificateSecret(secret, {
    format: object.format,
    constructPemChain: options.constructPemChain,
    tasks: options.tasks,
    owner: options.owner,
    onIncompleteChain: () => options.onRemark(object, incompleteChain),
  })
  const whole = { suffix: '', contents: combined }
  if (!options.separateFiles) return [whole]
  const { certificates, key } = splitCertificateAndKey(combined)
  return [{ suffix: '.crt', contents: certificates }, { suffix: '.key', contents: key }, whole]
}

const incompleteChain =
  'certificate chain is not complete due to missing intermediate/root certificates in the cert from key vault'

function decoded(contents: Content[], { encoding }: ObjectSpec): Content[] {
  if (encoding === 'utf-8') return contents
  return contents.map(({ suffix, contents: bytes }) => ({
    suffix,
    contents: SecretValue.of(decodeValue(bytes.reveal(), encoding)),
  }))
}

type Extract = ObjectSpec['extracts'][number]

function extractorOf(object: ObjectSpec, whole: SecretValue): (extract: Extract) => SecretValue {
  const fail = ({ expression }: Pick<Extract, 'expression'>, reason: string) =>
    new MountError('json-path-missing', `jsonPath "${expression}": ${reason}`)
  let extractor: JsonExtractor
  try {
    extractor = jsonExtractor(whole.revealText())
  } catch (error) {
    throw fail(object.extracts[0] ?? { expression: '' }, errorMessage(error))
  }
  return (extract) => {
    const text = extractor(extract.steps)
    if (text === undefined) throw fail(extract, 'the JSON value has nothing there')
    return SecretValue.of(text)
  }
}

function versionMissing({ version }: ObjectSpec, vault: Vault): MountError {
  const found =
    version === '' ? 'there is no enabled version' : `version "${version}" is not among the enabled versions`
  return new MountError(
    'object-version-missing',
    `${found} in vault "${vault.name}" (${vault.origin}); check objectVersion`,
  )
}

/** Base64 of what every PFX file begins with: a SEQUENCE, version 3, and a content of the type "data". RFC 7292 section 4 */
function looksLikePfx(value: SecretValue): boolean {
  if (value.size < 64) return false
  const start = Buffer.from(Buffer.from(value.reveal().subarray(0, 80)).toString('latin1'), 'base64')
  return (
    start[0] === 0x30 &&
    start.includes(Buffer.from('02010330', 'hex')) &&
    start.includes(Buffer.from('06092a864886f70d0107', 'hex'))
  )
}

/** A failed conversion is the fault of the class or the object, and is reported as that. */
async function usable<T>(convert: () => Promise<T>): Promise<T> {
  try {
    return await convert()
  } catch (error) {
    throw new MountError('object-content-unusable', errorMessage(error))
  }
}
