import { defineCommand } from '../command.ts'

export const command = defineCommand({
  name: 'image',
  group: 'cluster',
  summary: 'the container image, for a registry of your own',
  async subcommands() {
    const { pushCommand } = await import('../image/push-command.ts')
    return [pushCommand]
  },
})
