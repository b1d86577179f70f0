import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The data directory of the cluster's etcd, where this machine has it: of the cluster of `.ci/run`, or of kubeadm. */
export const etcdDirectory = [process.env.KEYMOUNT_ETCD_DATA ?? '', '/var/lib/etcd'].find(
  (directory) => directory !== '' && existsSync(join(directory, 'member')),
)

/** All of the files of etcd, its log included, as one text: what was ever written and not yet compacted is in them. */
export function etcdContent(directory: string): string {
  const files = globSync('member/{snap,wal}/*', { cwd: directory })
  return files.map((file) => readFileSync(join(directory, file), 'latin1')).join('\n')
}
