import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('local-cluster', 'API server and node of the lab')
