import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('nmi', 'the node endpoint of AAD Pod Identity')
