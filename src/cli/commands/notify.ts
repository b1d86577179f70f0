import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('notify', 'sidecar that signals an application when its secrets have changed')
