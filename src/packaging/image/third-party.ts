import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import type { SystemFile } from './system-files.ts'
import type { SystemRoot } from './system-root.ts'

/** Something in the image that others wrote. */
export interface ThirdParty {
  name: string
  version: string
  /** https://github.com/package-url/purl-spec */
  purl: string
  /** SPDX expression, as far as its package declares it. */
  licence: string | undefined
  /** The licence's text with its copyright lines; empty where the package has no file for it. */
  text: string
  /** Subresource integrity: of the package as npm installed it (`sha512-…`), of the program before it was stripped (`sha256-…`). */
  integrity?: string | undefined
  /** Files of this machine that went into the image as they are. */
  files?: readonly TakenFile[] | undefined
}

/** A file in the image, with the hash by which anyone can compare it with the one in a distribution's package. */
export interface TakenFile {
  path: string
  /** Hexadecimal. */
  sha256: string
}

export interface ThirdPartySources {
  /** Directory of the package. */
  root: string
  /** Inputs of the bundles: paths below `root`. */
  inputs: readonly string[]
  system: Pick<SystemRoot, 'path' | 'node' | 'nodeVersion'>
  files: readonly SystemFile[]
}

/**
 * All of it, in a stable order: npm packages whose code is in a bundle, Node, and the machine's packages that gave files. Files
 * of a machine without dpkg are under the name of the machine's distribution.
 */
export async function thirdParties({ root, inputs, system, files }: ThirdPartySources): Promise<ThirdParty[]> {
  const packages = npmPackages(root, inputs)
  // Before it was stripped.
  const { node } = system
  const version = system.nodeVersion.replace(/^v/, '')
  const runtime = {
    name: 'node',
    version,
    purl: `pkg:generic/node@${version}`,
    licence: 'MIT',
    text: licenceText(dirname(dirname(node))),
    integrity: `sha256-${sha256(node).toString('base64')}`,
  }
  return [...packages, runtime, ...(await systemPackages(files, system.path))]
}

/** The file that keeps the promise of every licence: that its text goes along. */
export function licencesText(all: readonly ThirdParty[]): string {
  const part = ({ name, version, licence, text }: ThirdParty) => {
    const head = `${name} ${version}${licence === undefined ? '' : ` (${licence})`}`
    return `${'-'.repeat(80)}\n${head}\n\n${text === '' ? 'The package has no file with its licence; that of Apache-2.0 is in LICENSE.' : text.trim()}\n`
  }
  return `The image of Keymount contains work of others, under these licences.\n\n${all.map(part).join('\n')}`
}

interface LockFile {
  packages: Record<string, { version?: string; integrity?: string; license?: string } | undefined>
}

function npmPackages(root: string, inputs: readonly string[]): ThirdParty[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile
  const directories = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  return [...directories].toSorted().map((directory) => {
    const { version = '', integrity, license } = packages[directory] ?? {}
    const name = directory.slice(directory.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    return { name, version, purl, licence: license, integrity, text: licenceText(join(root, directory)) }
  })
}

function licenceText(directory: string): string {
  if (!existsSync(directory)) return ''
  const names = readdirSync(directory).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
  return names
    .toSorted()
    .map((name) => readFileSync(join(directory, name), 'utf8').trim())
    .join('\n\n')
}

async function systemPackages(files: readonly SystemFile[], root: string): Promise<ThirdParty[]> {
  if (files.length === 0) return []
  const owners = await debianOwners(files, root)
  const packages = await debianPackages([...new Set(owners.values())], root)
  const takenFrom = (name: string | undefined) =>
    files
      .filter(({ source }) => owners.get(source) === name)
      .map(({ path, source }) => ({ path, sha256: sha256(source).toString('hex') }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const unowned = takenFrom(undefined)
  return [
    ...packages.map((each) => ({ ...each, files: takenFrom(each.name) })),
    ...(unowned.length === 0 ? [] : [{ ...distribution(), licence: undefined, text: '', files: unowned }]),
  ]
}

/** Which package of Debian or its kin each file belongs to, by the file's path. Empty on a machine without dpkg. */
async function debianOwners(files: readonly SystemFile[], root: string): Promise<Map<string, string>> {
  // A package may have named the file before /bin and /lib became links into /usr.
  const paths = new Map(
    files.flatMap(({ source }) => {
      const path = join('/', relative(root, source))
      return [path, path.replace(/^\/usr/, '')].map((name) => [name, source])
    }),
  )
  const output = await stdoutOf('dpkg-query', [databaseOf(root), '--search', ...paths.keys()])
  const owners = [...output.matchAll(/^([^:\s]+)(?::\S+)?: (\/\S+)$/gm)]
  return new Map(owners.map(([, name = '', path = '']) => [paths.get(path) ?? path, name]))
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: the language of dpkg-query(1)
const debianLine = '${Package} ${Version} ${Architecture}\\n'

function databaseOf(root: string): string {
  return `--admindir=${join(root, 'var/lib/dpkg')}`
}

async function debianPackages(names: readonly string[], root: string): Promise<ThirdParty[]> {
  if (names.length === 0) return []
  const listed = await stdoutOf('dpkg-query', [databaseOf(root), '--show', `--showformat=${debianLine}`, ...names])
  return listed
    .trim()
    .split('\n')
    .toSorted()
    .map((line) => {
      const [name = '', version = '', architecture = ''] = line.split(' ')
      const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`
      const copyright = join(root, 'usr/share/doc', name, 'copyright')
      const text = existsSync(copyright) ? readFileSync(copyright, 'utf8') : ''
      return { name, version, purl, licence: undefined, text }
    })
}

/** https://www.freedesktop.org/software/systemd/man/latest/os-release.html */
function distribution(): Pick<ThirdParty, 'name' | 'version' | 'purl'> {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const field = (key: string) => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? ''
  const [name, version] = [field('ID') || 'linux', field('VERSION_ID') || 'rolling']
  return { name, version, purl: `pkg:generic/${name}@${encodeURIComponent(version)}` }
}

/** In steps, because Node's file is 120 MiB. */
function sha256(path: string): Buffer {
  const hash = createHash('sha256')
  const piece = Buffer.alloc(256 * 1024)
  const file = openSync(path, 'r')
  try {
    for (let length = 1; length > 0; ) {
      length = readSync(file, piece)
      hash.update(piece.subarray(0, length))
    }
  } finally {
    closeSync(file)
  }
  return hash.digest()
}

/** What the program printed, also when it ended with a status other than 0 (one name of many was not found); empty when there is no such program. */
async function stdoutOf(program: string, words: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, words)).stdout
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : ''
  }
}
