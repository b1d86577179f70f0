import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'

export interface KrewPlugin {
  /** Name of the archive. */
  archive: string
  /** The manifest, for krew-index. */
  manifest: string
}

/** Systems on which a shell runs the plugin. */
const systems = ['linux', 'darwin']

/**
 * Writes the archive of the plugin `kubectl keymount` to `out`, the same bytes each time, and gives its manifest.
 * https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
 */
export function writeKrewPlugin({
  root,
  out,
  version,
  url,
}: {
  root: string
  out: string
  version: string
  url: string
}): KrewPlugin {
  const archive = `kubectl-keymount-${version}.tar.gz`
  const fixed = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX']
  const files = ['-C', join(root, 'deploy/krew'), 'kubectl-keymount', '-C', root, 'LICENSE']
  const tar = execFileSync('tar', ['--create', '--format=ustar', ...fixed, ...files])
  writeFileSync(join(out, archive), execFileSync('gzip', ['-n', '-9'], { input: tar }))
  const sha256 = createHash('sha256')
    .update(readFileSync(join(out, archive)))
    .digest('hex')
  const manifest = {
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'keymount' },
    spec: {
      version: `v${version}`,
      homepage: 'https://github.com/keymount/keymount',
      shortDescription: 'Secrets of Azure Key Vault in pods: status, doctor',
      description:
        'Shows which volumes, Secrets and SecretSyncs of a cluster have which versions of secrets,\nfinds out why a pod does not get its secrets, rotates them, and checks manifests.\n',
      caveats:
        'The plugin runs the command keymount, which has to be on the PATH:\nhttps://github.com/keymount/keymount/blob/main/docs/install.md#the-command-keymount\n',
      platforms: [
        {
          selector: { matchExpressions: [{ key: 'os', operator: 'In', values: systems }] },
          uri: `${url}/${archive}`,
          sha256,
          bin: 'kubectl-keymount',
          files: [
            { from: 'kubectl-keymount', to: '.' },
            { from: 'LICENSE', to: '.' },
          ],
        },
      ],
    },
  }
  return { archive, manifest: stringify(manifest, { lineWidth: 0 }) }
}
