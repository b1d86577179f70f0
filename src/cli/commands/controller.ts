import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('controller', 'the workload identity webhook')
