import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { SystemFile } from './system-files.ts'

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
  /** Subresource integrity of the package as npm installed it: `sha512-…`. */
  integrity?: string | undefined
}

export interface ThirdPartySources {
  /** Directory of the package. */
  root: string
  /** Inputs of the bundles: paths below `root`. */
  inputs: readonly string[]
  /** The Node of the image, before it was stripped. */
  node: string
  nodeVersion: string
  files: readonly SystemFile[]
}

/** All of it, in a stable order: npm packages whose code is in a bundle, Node, and the machine's packages that gave files. */
export async function thirdParties({
  root,
  inputs,
  node,
  nodeVersion,
  files,
}: ThirdPartySources): Promise<ThirdParty[]> {
  const packages = npmPackages(root, inputs)
  const version = nodeVersion.replace(/^v/, '')
  const runtime = { name: 'node', version, purl: `pkg:generic/node@${version}`, licence: 'MIT' }
  return [
    ...packages,
    { ...runtime, text: licenceText(dirname(dirname(node))) },
    ...(await debianPackages(files.map(({ source }) => source))),
  ]
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

// biome-ignore lint/suspicious/noTemplateCurlyInString: the language of dpkg-query(1)
const debianLine = '${Package} ${Version} ${Architecture}\\n'

/** Which packages of Debian or its kin gave these files. None on a machine without dpkg. */
async function debianPackages(paths: readonly string[]): Promise<ThirdParty[]> {
  // A package may have named the file before /bin and /lib became links into /usr.
  const names = paths.flatMap((path) => [path, path.replace(/^\/usr/, '')])
  const owners = await stdoutOf('dpkg-query', ['--search', ...names])
  const packages = [...new Set([...owners.matchAll(/^([^:\s]+)(?::\S+)?: \//gm)].map((match) => match[1] ?? ''))]
  if (packages.length === 0) return []
  const listed = await stdoutOf('dpkg-query', ['--show', `--showformat=${debianLine}`, ...packages])
  return listed
    .trim()
    .split('\n')
    .toSorted()
    .map((line) => {
      const [name = '', version = '', architecture = ''] = line.split(' ')
      const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`
      const copyright = `/usr/share/doc/${name}/copyright`
      const text = existsSync(copyright) ? readFileSync(copyright, 'utf8') : ''
      return { name, version, purl, licence: undefined, text }
    })
}

/** What the program printed, also when it ended with a status other than 0 (one name of many was not found); empty when there is no such program. */
async function stdoutOf(program: string, words: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, words)).stdout
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : ''
  }
}
