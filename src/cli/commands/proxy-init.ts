import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand('proxy-init', 'init container that redirects IMDS requests to the sidecar', 'init')
