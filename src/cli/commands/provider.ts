import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('provider', 'the Azure provider of a node')
