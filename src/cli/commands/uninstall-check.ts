import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand(
  'uninstall-check',
  'list the pods that need the driver before it is uninstalled',
  'cluster',
)
