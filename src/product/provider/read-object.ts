import type { ObjectSpec } from '#azure/class'
import type { Vault } from '#azure/keyvault'
import { errorMessage, SecretValue } from '#lib'
import { encodePem } from '#lib/formats'
import { decodeValue } from './decode-value.ts'
import { extractJson } from './extract-json.ts'
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
}

export interface ReadObjectOptions {
  reader: VaultReader
  vault: Vault
  defaultMode: number
  constructPemChain: boolean
  /** Beside the combined file of a certificate's secret, `.crt` and `.key`. */
  separateFiles: boolean
  onIncompleteChain: (object: ObjectSpec) => void
  /** Told about times of validity and the last change, for metrics and warnings. */
  onAttributes: (object: ObjectSpec, attributes: { updated?: number; exp?: number }) => void
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
  const objectId = inFolder(`${object.type}/${object.name}`)
  const common = { objectId, version: found }
  if (object.extracts.length > 0) {
    const [whole] = contents.slice(-1)
    return object.extracts.map((extract) => ({
      ...common,
      path: inFolder(extract.fileName),
      mode: extract.mode ?? object.mode ?? options.defaultMode,
      contents: extractFrom(object, extract, whole?.contents ?? SecretValue.of('')),
    }))
  }
  return contents.map(({ suffix, contents: bytes }) => ({
    ...common,
    path: `${inFolder(object.fileName)}${suffix}`,
    mode: object.mode ?? options.defaultMode,
    contents: bytes,
  }))
}

async function readContents(
  object: ObjectSpec,
  version: string,
  options: ReadObjectOptions,
): Promise<{ contents: Content[]; version: string }> {
  const { reader, vault } = options
  switch (object.type) {
    case 'secret': {
      const secret = await reader.secret(vault, object.name, version)
      options.onAttributes(object, secret.attributes)
      const rendered = secret.ofCertificate
        ? await usable(object, () => certificateContents(object, secret, options))
        : [{ suffix: '', contents: secret.value }]
      return { contents: await usable(object, async () => decoded(rendered, object)), version: secret.version }
    }
    case 'key': {
      const key = await reader.key(vault, object.name, version)
      options.onAttributes(object, key.attributes)
      const pem = await usable(object, async () => renderPublicKey(key.jwk))
      return { contents: [{ suffix: '', contents: SecretValue.of(pem) }], version: key.version }
    }
    case 'cert': {
      const { der, version: found, attributes } = await reader.certificate(vault, object.name, version)
      options.onAttributes(object, attributes)
      const pem = encodePem({ label: 'CERTIFICATE', der })
      return { contents: [{ suffix: '', contents: SecretValue.of(pem) }], version: found }
    }
    default:
      throw new Error(`unknown object type ${JSON.stringify(object.type satisfies never)}`)
  }
}

/** `.crt`, `.key`, then the combined file, in the order of the field. A PFX has no blocks to split. */
async function certificateContents(
  object: ObjectSpec,
  secret: { value: SecretValue; contentType: string | undefined },
  options: ReadObjectOptions,
): Promise<Content[]> {
  const combined = await renderCertificateSecret(secret, {
    format: object.format,
    constructPemChain: options.constructPemChain,
    onIncompleteChain: () => options.onIncompleteChain(object),
  })
  const whole = { suffix: '', contents: combined }
  if (!options.separateFiles) return [whole]
  const { certificates, key } = splitCertificateAndKey(combined)
  return [{ suffix: '.crt', contents: certificates }, { suffix: '.key', contents: key }, whole]
}

function decoded(contents: Content[], { encoding }: ObjectSpec): Content[] {
  if (encoding === 'utf-8') return contents
  return contents.map(({ suffix, contents: bytes }) => ({
    suffix,
    contents: SecretValue.of(decodeValue(bytes.reveal(), encoding)),
  }))
}

function extractFrom(object: ObjectSpec, extract: ObjectSpec['extracts'][number], whole: SecretValue): SecretValue {
  const at = `${object.path}.jsonPath "${extract.expression}"`
  let text: string | undefined
  try {
    text = extractJson(whole.revealText(), extract.steps)
  } catch (error) {
    throw new MountError('json-path-missing', `${at}: ${errorMessage(error)}`)
  }
  if (text === undefined) throw new MountError('json-path-missing', `${at}: the JSON value has nothing there`)
  return SecretValue.of(text)
}

function versionMissing({ version, path }: ObjectSpec, vault: Vault): MountError {
  const found =
    version === '' ? 'there is no enabled version' : `version "${version}" is not among the enabled versions`
  return new MountError('object-version-missing', `${found} in vault "${vault.name}" (${path})`)
}

/** A failed conversion is the class's or the object's fault, and says so. */
async function usable<T>(object: ObjectSpec, convert: () => Promise<T>): Promise<T> {
  try {
    return await convert()
  } catch (error) {
    throw new MountError('object-content-unusable', `${errorMessage(error)} (${object.path})`)
  }
}
