import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('local-azure', 'Entra ID, Resource Manager, Graph and Key Vault of the lab')
