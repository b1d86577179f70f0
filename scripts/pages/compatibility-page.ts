import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { code, generatedFrom, markdownTable } from './table.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** What the one match of a pattern in a file captures. */
function found(path: string, pattern: RegExp): string {
  const [, text = ''] = pattern.exec(read(path)) ?? []
  if (text === '') throw new Error(`${path} has nothing like ${pattern}`)
  return text
}

/** A file of ours as code. Throws if there is none. */
function file(path: string): string {
  if (!existsSync(join(root, path))) throw new Error(`there is no ${path}`)
  return code(path)
}

const ci = (pattern: RegExp) => found('.ci/run', pattern)

/** A Kubernetes that `.ci/run` creates, and what its node runs on. The end-to-end case `compatibility` compares it with the cluster. */
export interface TestedCluster {
  kubernetes: string
  containerd: string
}

export const newestCluster: TestedCluster = { kubernetes: ci(/^newest=(\S+)/m), containerd: '2.2.1' }
export const oldestCluster: TestedCluster = { kubernetes: ci(/^oldest=(\S+)/m), containerd: '1.6.20' }

/** Files of the end-to-end cases that run on the oldest cluster too. */
function oldestCases(): string[] {
  const [, directory = '', names = '', suffix = ''] =
    /^oldest_cases=\((\S*)\{([\w,-]+)\}(\S*)\)$/m.exec(read('.ci/run')) ?? []
  const paths = names.split(',').map((name) => `${directory}${name}${suffix}`)
  paths.map(file)
  return paths
}

/** The text of docs/compatibility.md. */
export function compatibilityPage(): string {
  return [intro, kubernetes(), azure(), tools(), limits].join('\n')
}

const intro = `# Compatibility: which versions were run, by which test

${generatedFrom('the constants in code and `.ci/run`')}

What is here runs with every change: \`.ci/run\` runs the quick checks, \`npm test\`, and the end-to-end cases on two real versions of Kubernetes.
What is not here has not been run. [releases.md](releases.md#supported-versions) has what is supported.
`

function kubernetes(): string {
  const of = ({ kubernetes: version, containerd }: TestedCluster) => [version, `${containerd}, runc, one node, amd64`]
  const templates = found('test/packaging/charts/kubernetes-versions.test.ts', /^const versions = \['([\d.]+)'/m)
  const last = found('test/packaging/charts/kubernetes-versions.test.ts', /'([\d.]+)'\]$/m)
  const rows = [
    [...of(newestCluster), 'all end-to-end cases: every file of `test/e2e`'],
    [...of(oldestCluster), `what depends on the version: ${oldestCases().map(file).join(', ')}`],
    [
      `${templates} to ${last}`,
      'none',
      `the charts render and use only interfaces that each version serves: ${file('test/packaging/charts/kubernetes-versions.test.ts')}`,
    ],
    [
      `${found('src/lab/cluster/api-server/http/path-handlers.ts', /gitVersion: 'v([\d.]+)\+/)}, the local cluster of the lab`,
      'none: pods are processes',
      `everything of \`npm test\` that needs a cluster; its checks of objects answer as Kubernetes ${found('test/lab/cluster/validation/answers.json', /"version": "v([^"]+)"/)} does`,
    ],
  ]
  return `## Kubernetes and container runtimes

${markdownTable(['Kubernetes', 'containerd', 'what runs on it'], rows)}

The cases on the oldest version are those that meet the API server's or kubelet's own rules: mounts, rotation, tokens, admission, Secrets,
validation. The others (faults under load, outages, walk-throughs, helm, pod identity, restarts) exercise the same interfaces and run on the newest alone.
[Environment variables from files](environment-variables.md) need 1.35: their cases run on the newest, and the oldest refuses them.

**AKS** was not run: there is no test in Azure. The lab's \`az aks\` creates local clusters of version ${found('src/lab/home/clusters/local-clusters.ts', /localVersion = '([\d.]+)'/)}. A version that AKS offers is
supported if it is in the table above, or between two of its rows. For a version without a row with containerd, run \`npm run e2e\` against a cluster of yours.
`
}

function azure(): string {
  const rows = [
    [
      'Key Vault, secrets, keys, certificates',
      `${found('src/azure/keyvault/api-versions.ts', /newest = '([^']+)'/)}; an older one where the vault knows no newer (Azure Stack Hub), down to ${found('src/azure/keyvault/api-versions.ts', /oldest = '([^']+)'/)}`,
      file('test/product/provider/conformance/parameters.test.ts'),
    ],
    ['Microsoft Entra ID, tokens', 'v2.0 (`/oauth2/v2.0/token`)', file('test/product/provider/identities.test.ts')],
    [
      'IMDS, tokens of a node',
      found('src/azure/identity/ways/managed.ts', /'api-version', '([^']+)'/),
      file('test/product/provider/identities.test.ts'),
    ],
    [
      'Storage queues, events of a vault',
      found('src/product/operator/events/queue-client.ts', /apiVersion = '([^']+)'/),
      file('test/lab/azure/queues-beside-azurite.test.ts'),
    ],
    [
      'Event Grid namespaces, events of a vault',
      found('src/product/operator/events/topic-client.ts', /apiVersion = '([^']+)'/),
      file('test/product/operator/events.test.ts'),
    ],
    [
      'Resource Manager, machines (pod identity)',
      found('src/product/pod-identity/mic/update-machine.ts', /apiVersion = '([^']+)'/),
      file('test/product/pod-identity/mic.test.ts'),
    ],
    [
      'Resource Manager, identities (`keymount identity`)',
      found('src/cli/identity/federated-credential.ts', /apiVersion: '([^']+)'/),
      file('test/cli/identity-serviceaccount.test.ts'),
    ],
    [
      'Event Grid (`keymount events setup`)',
      found('src/cli/events/setup-plan.ts', /eventGridVersion = '([^']+)'/),
      file('test/cli/events-setup.test.ts'),
    ],
    [
      'Event Grid namespaces (`keymount events setup --namespace-topic`)',
      found('src/cli/events/setup-plan.ts', /namespaceVersion = '([^']+)'/),
      file('test/cli/events-setup.test.ts'),
    ],
  ]
  return `## Azure

Versions of the REST interfaces that Keymount asks for. The tests run against the local Azure of the lab, which unmodified clients of Microsoft
(below) and Azurite are tested against too. Nothing runs against Azure itself.

${markdownTable(['interface', 'version', 'test'], rows)}

The local Azure serves Key Vault up to ${found('src/lab/azure/keyvault/limits.ts', /const apiVersions = \[\s*'([^']+)'/)}; [lab-operations.md](lab-operations.md) has every operation.
`
}

function tools(): string {
  const sdks = file('test/lab/azure/sdks.test.ts')
  const rows = [
    [
      'az',
      ci(/azure-cli==([\d.]+)/),
      `${file('test/lab/azure/az.test.ts')}, ${file('test/walkthroughs/walkthroughs.test.ts')}`,
    ],
    ['Azurite', ci(/azurite@([\d.]+)/), file('test/lab/azure/queues-beside-azurite.test.ts')],
    ...javascriptPackages().map((name) => [`${name} (JavaScript)`, installed(name), testsOfPackages[name] ?? sdks]),
    ...pythonPackages().map(([name = '', version = '']) => [`${name} (Python)`, version, sdks]),
    ...goModules().map(([name = '', version = '']) => [`${name} (Go)`, version, sdks]),
    ['helm', ci(/helm\/v3\/cmd\/helm@v([\d.]+)/), file('test/packaging/charts/values.test.ts')],
    ['csi-sanity', ci(/csi-sanity@v([\d.]+)/), file('test/product/driver/csi-sanity.test.ts')],
    ['kubectl', newestCluster.kubernetes, file('test/lab/cluster/kubectl.test.ts')],
    ['cosign', ci(/cosign@v([\d.]+)/), file('test/packaging/release.test.ts')],
    ['crane', ci(/crane@v([\d.]+)/), file('test/packaging/release.test.ts')],
  ]
  return `## Clients and tools

Unmodified programs and SDKs that the tests run.

${markdownTable(['what', 'version', 'test'], rows)}
`
}

/** Of the packages that the tour of all SDKs does not use. */
const testsOfPackages: Readonly<Record<string, string>> = {
  '@azure/eventgrid-namespaces': file('test/lab/azure/event-grid-namespaces.test.ts'),
}

function javascriptPackages(): string[] {
  const { devDependencies = {} } = JSON.parse(read('package.json')) as { devDependencies?: Record<string, string> }
  return Object.keys(devDependencies).filter((name) => name.startsWith('@azure/'))
}

/** By the lock file, which is what \`npm ci\` installs. */
function installed(name: string): string {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version?: string }> }
  const { version } = packages[`node_modules/${name}`] ?? {}
  if (version === undefined) throw new Error(`package-lock.json has no ${name}`)
  return version
}

function pythonPackages(): string[][] {
  const lines = read('test/lab/azure/sdks/python/requirements.txt').split('\n')
  return lines.filter((line) => line.startsWith('azure-')).map((line) => line.split('=='))
}

function goModules(): string[][] {
  const matches = read('test/lab/azure/sdks/go/go.mod').matchAll(
    /^\tgithub\.com\/Azure\/azure-sdk-for-go\/(\S+) v(\S+)$/gm,
  )
  return [...matches].map(([, name = '', version = '']) => [name, version])
}

const limits = `## Node.js and operating systems

[releases.md](releases.md#supported-versions) has them: the image has its own Node, and the command line brings one.
`
