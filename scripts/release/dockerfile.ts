/** What a Dockerfile takes from elsewhere, and whether it is pinned. */
export interface DockerfilePins {
  /** Images that a stage starts from, by digest. */
  bases: { image: string; digest: string }[]
  /** Packages that apt installs, by version. */
  packages: { name: string; version: string }[]
  /** What has no digest or version, as it is written. */
  unpinned: string[]
}

/** https://docs.docker.com/reference/dockerfile/ */
export function dockerfilePins(text: string): DockerfilePins {
  const pins: DockerfilePins = { bases: [], packages: [], unpinned: [] }
  const stages = new Set(['scratch'])
  for (const line of instructions(text)) {
    const [keyword = '', ...words] = line.split(/\s+/)
    if (keyword.toUpperCase() === 'FROM') addBase(pins, stages, words)
    else if (keyword.toUpperCase() === 'COPY' || keyword.toUpperCase() === 'ADD') addSource(pins, stages, words)
    else if (keyword.toUpperCase() === 'RUN') for (const name of aptWords(line)) addPackage(pins, name)
  }
  return pins
}

/** Instructions on one line each, without comments. */
function instructions(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function addBase(pins: DockerfilePins, stages: Set<string>, words: readonly string[]): void {
  const [image = '', as, stage] = words.filter((word) => !word.startsWith('--'))
  if (!stages.has(image)) addImage(pins, image)
  if (as?.toUpperCase() === 'AS' && stage !== undefined) stages.add(stage)
}

/** `COPY --from=IMAGE` takes files of any image, `ADD https://…` any file. */
function addSource(pins: DockerfilePins, stages: Set<string>, words: readonly string[]): void {
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
  if (from !== undefined && !stages.has(from)) addImage(pins, from)
  const hasChecksum = words.some((word) => word.startsWith('--checksum=sha256:'))
  if (!hasChecksum) pins.unpinned.push(...words.filter((word) => /^(https?|git):\/\//.test(word)))
}

function addImage(pins: DockerfilePins, reference: string): void {
  const [, image, digest] = /^([^@]+)@(sha256:[0-9a-f]{64})$/.exec(reference) ?? []
  if (image === undefined || digest === undefined) pins.unpinned.push(reference)
  else pins.bases.push({ image, digest })
}

/** The packages of every `apt-get install` of a shell command. */
function aptWords(command: string): string[] {
  return command
    .split(/&&|\|\||;|\|/)
    .map((part) => part.trim().split(/\s+/))
    .filter((words) => words.some((word) => /^(.*\/)?(apt|apt-get|aptitude)$/.test(word)) && words.includes('install'))
    .flatMap((words) => words.slice(words.indexOf('install') + 1))
    .filter((word) => !word.startsWith('-'))
}

function addPackage(pins: DockerfilePins, word: string): void {
  const [, name, version] = /^([a-z0-9][a-z0-9.+:-]*)=([0-9][\w.+:~-]*)$/.exec(word) ?? []
  if (name === undefined || version === undefined) pins.unpinned.push(word)
  else pins.packages.push({ name, version })
}
