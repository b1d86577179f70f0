import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('sync', 'the controller of Secrets without a pod')
