import { defineCommand } from '../command.ts'

export const command = defineCommand({
  name: 'podidentity',
  aliases: ['pi'],
  group: 'cluster',
  summary: 'move from AAD Pod Identity to workload identity',
  description: 'For clusters that still have AAD Pod Identity.',
  async subcommands() {
    const { detectCommand } = await import('../identity/detect/detect-command.ts')
    return [detectCommand]
  },
})
