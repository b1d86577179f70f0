import { beyondLimit } from '#lib'
import { CliError, createTerminal } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import { type Converted, convert } from './convert.ts'
import { migrateLimits } from './migrate-limits.ts'
import type { SourceCommand } from './migrate-options.ts'
import { readCluster, readKeysOfSecrets } from './read-cluster.ts'
import { type ReadManifests, readFiles } from './read-files.ts'

export interface ReadAndConverted extends Converted {
  /** What could not be read. */
  problems: readonly string[]
}

/** Reads files or the cluster, and converts what is there. Throws {@link CliError} where neither or both are named. */
export async function readAndConvert(command: SourceCommand): Promise<ReadAndConverted> {
  const { paths, fromCluster } = command
  if (fromCluster === paths.length > 0)
    throw new CliError({
      what: fromCluster ? 'Files and --cluster cannot be read together' : 'There is nothing to read',
      fix: ['name files or directories, or - for standard input', 'or read the cluster: --cluster'],
      code: 'usage',
    })
  return fromCluster ? ofCluster(command) : ofFiles(command)
}

const notRead = { why: 'the cluster is not read: --cluster' }

async function ofFiles(command: SourceCommand): Promise<ReadAndConverted> {
  const { namespace } = command
  const read = withNamespace(await readFiles(command), namespace)
  refuseTooMany(read)
  return { ...convertAll(command, read, () => notRead), problems: read.problems }
}

/** Objects without a namespace are in that of the option, as with kubectl. */
function withNamespace(read: ReadManifests, namespace: string | undefined): ReadManifests {
  if (namespace === undefined) return read
  const manifests = read.manifests.map((one) =>
    one.namespace === '' && !one.kind.startsWith('Cluster') ? { ...one, namespace } : one,
  )
  return { ...read, manifests }
}

async function ofCluster(command: SourceCommand): Promise<ReadAndConverted> {
  const { world, cluster, from, namespace } = command
  const { signal } = world
  const terminal = createTerminal(world)
  return withCluster(cluster, world, async ({ kube }) => {
    const read = await terminal.wait('reading the cluster', () => readCluster(kube, { from, namespace, signal }))
    // A conversion without any keys finds out whose keys are needed.
    const wanted = new Map<string, { namespace: string; name: string }>()
    convertAll(command, read, (of, name) => {
      if (of !== '' && name !== '') wanted.set(`${of}/${name}`, { namespace: of, name })
      return notRead
    })
    const keys = await readKeysOfSecrets(kube, [...wanted.values()], signal)
    const converted = convertAll(command, read, (of, name) => keys.get(`${of}/${name}`) ?? notRead)
    return { ...converted, problems: read.problems }
  })
}

function convertAll(
  command: SourceCommand,
  { manifests, texts }: ReadManifests,
  keysOfSecret: Parameters<typeof convert>[0]['keysOfSecret'],
): Converted {
  return convert({ manifests, texts, from: command.from, options: command, keysOfSecret })
}

function refuseTooMany({ manifests }: ReadManifests): void {
  const { objects } = migrateLimits
  if (manifests.length <= objects.value) return
  throw new CliError({
    what: 'The input has too many objects for one migration',
    why: beyondLimit(objects, manifests.length),
    fix: ['migrate one directory at a time'],
    code: 'usage',
  })
}
