import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes into a home what `keymount up --kubeconfig` leaves there. */
export async function writeUserClusterState(home: string, kubeconfig: string): Promise<void> {
  const state = {
    version: 1,
    target: { kind: 'kubeconfig', path: kubeconfig },
    azure: 'local',
    listen: '127.0.0.1',
    ports: { cluster: 0, azure: 0, imds: 0 },
  }
  await writeFile(join(home, 'lab.json'), JSON.stringify(state))
}
