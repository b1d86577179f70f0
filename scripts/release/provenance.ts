import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dockerfilePins } from './dockerfile.ts'
import { type Component, machineComponents } from './machine.ts'
import type { Statement } from './signing.ts'

/** Where the sources are. A fork's release names the fork. */
export const repository = `${process.env.GITHUB_SERVER_URL ?? 'https://github.com'}/${process.env.GITHUB_REPOSITORY ?? 'keymount/keymount'}`

/** The state of the checkout that a release is built from. */
export interface Source {
  /** Full id of the commit. */
  commit: string
  /** Whether files differ from the commit. */
  changed: boolean
}

export interface Subject {
  name: string
  /** Hexadecimal. */
  sha256: string
}

export interface ProvenanceOptions {
  root: string
  version: string
  source: Source
  /** What the release publishes: its files, and the image by its name and the digest of its manifest. */
  subjects: readonly Subject[]
  /** The software bill of materials of the image, which names what the build took from the machine. */
  sbom: string
  startedOn: Date
  finishedOn: Date
}

/** https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md */
interface ResourceDescriptor {
  name?: string
  uri: string
  digest?: Record<string, string>
  annotations?: Record<string, string>
}

/** Reads the state of a checkout. Throws if the directory is not one. */
export function sourceOf(root: string): Source {
  const git = (...words: string[]) => execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
  return { commit: git('rev-parse', 'HEAD'), changed: git('status', '--porcelain') !== '' }
}

/** Where and from what a release was built, as SLSA describes it. https://slsa.dev/spec/v1.1/provenance */
export function provenance(options: ProvenanceOptions): Statement {
  const { root, version, source, subjects, startedOn, finishedOn } = options
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: `${repository}/blob/main/docs/releases.md#provenance`,
        externalParameters: { version, source: { uri: `git+${repository}`, digest: { gitCommit: source.commit } } },
        internalParameters: {
          architecture: process.arch,
          node: process.versions.node,
          sources: source.changed ? 'with uncommitted changes' : 'as committed',
        },
        resolvedDependencies: [...ofSource(root, source), ...ofDockerfile(root), ...ofMachine(options.sbom)],
      },
      runDetails: {
        builder: { id: builder() },
        metadata: { ...invocation(), startedOn: seconds(startedOn), finishedOn: seconds(finishedOn) },
      },
    },
  }
}

function ofSource(root: string, { commit }: Source): ResourceDescriptor[] {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  return [
    { uri: `git+${repository}@${commit}`, digest: { gitCommit: commit } },
    {
      name: 'package-lock.json',
      uri: `git+${repository}@${commit}#package-lock.json`,
      digest: { sha256: lock },
      annotations: { has: 'the hash of each npm package' },
    },
  ]
}

/** The base of the image that Docker builds, and of the container that a release is built in. */
function ofDockerfile(root: string): ResourceDescriptor[] {
  return dockerfilePins(readFileSync(join(root, 'Dockerfile'), 'utf8')).bases.map(({ image, digest }) => ({
    name: 'base of the Dockerfile',
    uri: `pkg:docker/${image.replace(':', '@')}`,
    digest: { sha256: digest.replace('sha256:', '') },
    annotations: { used: 'by docker build and by the release workflow; other builds use their machine, see below' },
  }))
}

/** Node, and the packages of the machine with the files that the image got from them. npm packages are in package-lock.json. */
function ofMachine(sbom: string): ResourceDescriptor[] {
  return machineComponents(sbom).flatMap(({ purl, hashes, components: files = [] }) => [
    { uri: purl, ...digestOf(hashes) },
    ...files.map(({ name, hashes: ofFile }) => ({ name, uri: `${purl}#${name.slice(1)}`, ...digestOf(ofFile) })),
  ])
}

function digestOf(hashes: Component['hashes']): Pick<ResourceDescriptor, 'digest'> {
  const sha256 = hashes?.find(({ alg }) => alg === 'SHA-256')?.content
  return sha256 === undefined ? {} : { digest: { sha256 } }
}

/** Who ran the build: the workflow on GitHub, else a person's machine, of which nothing more is claimed. */
function builder(): string {
  const workflow = process.env.GITHUB_WORKFLOW_REF
  return workflow === undefined
    ? `${repository}/blob/main/docs/releases.md#dry-run`
    : `${process.env.GITHUB_SERVER_URL}/${workflow}`
}

function invocation(): { invocationId?: string } {
  const { GITHUB_RUN_ID: run, GITHUB_RUN_ATTEMPT: attempt } = process.env
  return run === undefined ? {} : { invocationId: `${repository}/actions/runs/${run}/attempts/${attempt}` }
}

function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}
