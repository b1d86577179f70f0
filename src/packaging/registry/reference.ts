import { Problems } from '#lib'

/** Where an image is in a registry. */
export interface Reference {
  /** Host and port, as the user wrote them. */
  registry: string
  /** Path of the repository in the registry. */
  repository: string
  tag: string
}

// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
const tagForm = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const componentForm = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const hostForm = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::\d{1,5})?$/
const maxRepositoryLength = 255

/** `REGISTRY/NAME:TAG`. Throws `ProblemsError`. */
export function parseReference(text: string): Reference {
  const problems = new Problems()
  const slash = text.lastIndexOf('/')
  const colon = text.indexOf(':', slash)
  const [path, tag] = colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)]
  if (text.includes('@')) problems.unexpected('', text, 'a tag and no digest: the digest is printed after the push')
  else if (tag === undefined) problems.unexpected('', text, 'REGISTRY/NAME:TAG; the tag is missing')
  else if (!tagForm.test(tag)) {
    problems.unexpected('tag', tag, 'letters, digits, ".", "_" and "-", at most 128, not beginning with "." or "-"')
  }
  const repository = problems.count > 0 ? undefined : readRepository(path, problems)
  problems.throwIfAny('name of the image')
  return { registry: '', repository: '', ...repository, tag: tag ?? '' }
}

/** `REGISTRY/NAME`, with or without `oci://` before it, as helm writes it. Throws `ProblemsError`. */
export function parseRepository(text: string): Omit<Reference, 'tag'> {
  const problems = new Problems()
  const found = readRepository(text.replace(/^oci:\/\//, '').replace(/\/$/, ''), problems)
  problems.throwIfAny('name of the repository')
  return found
}

function readRepository(text: string, problems: Problems): Omit<Reference, 'tag'> {
  const slash = text.indexOf('/')
  const registry = text.slice(0, Math.max(slash, 0))
  const repository = text.slice(slash + 1)
  if (slash <= 0) problems.unexpected('', text, 'REGISTRY/NAME, for example registry.example/keymount')
  else if (!hostForm.test(registry) || !/[.:]|^localhost$/.test(registry)) {
    problems.unexpected('registry', registry, 'a host name with a dot or a port, for example registry.example:5000')
  }
  if (slash > 0) checkRepository(repository, problems)
  return { registry, repository }
}

function checkRepository(repository: string, problems: Problems): void {
  if (repository.length > maxRepositoryLength) {
    problems.add('name', `found ${repository.length} characters, expected at most ${maxRepositoryLength}`)
  } else if (!repository.split('/').every((component) => componentForm.test(component))) {
    problems.unexpected(
      'name',
      repository,
      'lower-case letters and digits, with ".", "_", "__" or "-" between them, in parts that "/" separates',
    )
  }
}
