import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('install-check', 'wait until everything of a Helm release works', 'cluster')
