import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('mic', 'the controller of AAD Pod Identity')
