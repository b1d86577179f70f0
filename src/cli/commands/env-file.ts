import { daemonCommand } from '../daemon-command.ts'

export const command = daemonCommand(
  'env-file',
  'init container that writes secrets as environment variables of a pod',
  'init',
)
