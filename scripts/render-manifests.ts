import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Document, isMap, parseAllDocuments } from 'yaml'

const root = join(import.meta.dirname, '..')

/** Path of helm: KEYMOUNT_HELM, or the one on the PATH. Undefined if helm is not installed. */
export const helm = [process.env.KEYMOUNT_HELM, 'helm']
  .filter((candidate) => candidate !== undefined)
  .find((candidate) => spawnSync(candidate, ['version', '--short']).status === 0)

/** The files of `deploy/` by name: the chart's objects for users without helm. They are never edited by hand. */
export async function renderManifests(): Promise<Record<string, string>> {
  const webhook = [
    'webhook.enabled=true',
    'webhook.classChecks.enabled=false',
    'webhook.azureTenantID=$AZURE_TENANT_ID',
  ]
  const [plain, withSync, withController, withEvents, withWebhook, withFence] = await Promise.all([
    render(),
    render('syncSecret.enabled=true'),
    render('sync.enabled=true'),
    render(
      'events.enabled=true',
      'events.queue=https://account.queue.core.windows.net/keymount',
      'events.clientID=$AZURE_CLIENT_ID',
      'events.tenantID=$AZURE_TENANT_ID',
    ),
    render(...webhook),
    renderFor(['admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy'], ...webhook),
  ])
  const known = new Set(plain.map(identity))
  const policies = withFence.filter((document) => /^ValidatingAdmissionPolicy/.test(String(document.get('kind'))))
  const beyond = (documents: readonly Document[]) => documents.filter((document) => !known.has(identity(document)))
  return {
    'keymount.yaml': fileText(plain, [
      'Keymount for kubectl apply -f, rendered from charts/keymount with its defaults by `npm run manifests`.',
      'To remove it without the CustomResourceDefinitions, and so without every class:',
      '  kubectl delete -f deploy/keymount.yaml -l app.kubernetes.io/name=keymount',
    ]),
    'optional/secret-sync.yaml': fileText(beyond(withSync), [
      'The rights on Secrets that `secretObjects` of a class needs, beside keymount.yaml: rendered from charts/keymount',
      'with syncSecret.enabled=true by `npm run manifests`.',
    ]),
    'optional/secret-sync-controller.yaml': fileText(beyond(withController), [
      'The controller of SecretSyncs, beside keymount.yaml: rendered from charts/keymount with sync.enabled=true by',
      '`npm run manifests`.',
    ]),
    'optional/operator-events.yaml': fileText(beyond(withEvents), [
      'The operator that has the drivers read what changes in a vault at once (docs/events.md), beside keymount.yaml: rendered',
      'from charts/keymount with events.enabled=true by `npm run manifests`. Replace the address of the queue by yours, then:',
      '  AZURE_CLIENT_ID=... AZURE_TENANT_ID=... envsubst < deploy/optional/operator-events.yaml | kubectl apply -f -',
    ]),
    'optional/workload-identity.yaml': fileText(beyond(withWebhook), [
      'The webhook of workload identity, beside keymount.yaml: rendered from charts/keymount with webhook.enabled=true and',
      'without checks of classes by `npm run manifests`. It needs your tenant:',
      '  AZURE_TENANT_ID=... envsubst < deploy/optional/workload-identity.yaml | kubectl apply -f -',
    ]),
    'optional/fence.yaml': fileText(policies, [
      'Admission policies that restrict the accounts of driver and webhook to what they do, in addition to keymount.yaml:',
      'rendered from charts/keymount by `npm run manifests`. The chart installs them by default.',
    ]),
  }
}

function render(...settings: string[]): Promise<Document[]> {
  return renderFor([], ...settings)
}

/** @param kinds that the cluster has in addition to those that helm expects, such as `example.com/v1/Kind` */
async function renderFor(kinds: readonly string[], ...settings: string[]): Promise<Document[]> {
  const { stdout } = await promisify(execFile)(
    helm ?? 'helm',
    [
      'template',
      'keymount',
      join(root, 'charts/keymount'),
      '-n',
      'kube-system',
      '--skip-tests',
      '--kube-version',
      '1.34.0',
      ...kinds.flatMap((kind) => ['--api-versions', kind]),
      ...settings.flatMap((setting) => ['--set', setting]),
    ],
    { maxBuffer: 16 * 1024 * 1024 },
  )
  const documents = parseAllDocuments(stdout)
  if ('empty' in documents) return []
  return documents.filter(({ contents }) => contents !== null).map(withoutRelease)
}

/** Without the labels and comments by which Helm names the release and the template: they have no meaning for `kubectl apply`. */
function withoutRelease(document: Document): Document {
  for (const path of [['metadata'], ['spec', 'template', 'metadata']]) {
    for (const name of ['labels', 'annotations']) {
      const map = document.getIn([...path, name])
      if (!isMap(map)) continue
      map.items = map.items.filter(({ key }) => !isOfRelease(String(key)))
      if (map.items.length === 0) document.deleteIn([...path, name])
    }
  }
  document.commentBefore = withoutSource(document.commentBefore)
  if (document.contents !== null) document.contents.commentBefore = withoutSource(document.contents.commentBefore)
  return document
}

function isOfRelease(name: string): boolean {
  return name.startsWith('helm.sh/') || /^app\.kubernetes\.io\/(instance|version|managed-by)$/.test(name)
}

function withoutSource(comment: string | null | undefined): string | null {
  const lines = (comment ?? '').split('\n').filter((line) => line !== '' && !line.startsWith(' Source: '))
  return lines.length === 0 ? null : lines.join('\n')
}

function identity(document: Document): string {
  return JSON.stringify(['apiVersion', 'kind', 'metadata'].map((name) => document.get(name)))
}

function fileText(documents: readonly Document[], comment: readonly string[]): string {
  const head = comment.map((line) => `# ${line}\n`).join('')
  const texts = documents.map((document) =>
    document.toString({ lineWidth: 0, flowCollectionPadding: false }).replace(/^---\n/, ''),
  )
  return `${head}---\n${texts.join('---\n')}`
}
