import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('proxy', 'sidecar that answers IMDS requests of a pod')
