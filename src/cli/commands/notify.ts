import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('notify', 'sidecar that tells an application when its secrets have changed')
