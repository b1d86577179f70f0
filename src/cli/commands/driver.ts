import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('driver', 'the CSI driver of a node')
