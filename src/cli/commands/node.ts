import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('node', 'driver and provider of a node in one process')
