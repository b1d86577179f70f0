import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'

const directory = join(import.meta.dirname, '../../deploy/argocd')
const lua = (name: string) => readFileSync(join(directory, `${name}.lua`), 'utf8')

/** Kinds with actions: group and kind as Argo CD's keys have them → the prefix of the files, and the names of the actions. */
const kinds = [
  { key: 'secret-sync.x-k8s.io_SecretSync', files: 'secretsync', actions: ['force-sync'] },
  { key: 'secrets-store.csi.x-k8s.io_SecretProviderClass', files: 'secretproviderclass', actions: ['rotate'] },
]

/** What the ConfigMap argocd-cm needs: the Lua files of deploy/argocd under the keys that Argo CD reads. */
export function argocdConfig(): string {
  const actions = kinds.map(({ key, files, actions: names }) => [
    `resource.customizations.actions.${key}`,
    stringify(
      {
        'discovery.lua': lua(`${files}-discovery`),
        definitions: names.map((name) => ({ name, 'action.lua': lua(`${files}-${name}`) })),
      },
      { lineWidth: 0 },
    ),
  ])
  const data = {
    'resource.customizations.health.secret-sync.x-k8s.io_SecretSync': lua('secretsync-health'),
    ...(Object.fromEntries(actions) as Record<string, string>),
  }
  const comment = `# Argo CD: health of SecretSyncs, and actions of SecretSyncs and classes (docs/gitops.md). Written by \`npm run generate\`.
# kubectl patch configmap argocd-cm -n argocd --type=merge --patch-file deploy/argocd/argocd-cm.yaml
`
  return `${comment}${stringify({ data }, { lineWidth: 0 })}`
}
