import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('operator', 'restarts workloads when their secrets change')
