import { defineCommand } from '../command.ts'

export const command = defineCommand({
  name: 'events',
  group: 'cluster',
  summary: 'have changes in a vault reach the volumes at once: set up, and see whether it works',
  async subcommands() {
    const [{ setupCommand }, { statusCommand }] = await Promise.all([
      import('../events/setup-command.ts'),
      import('../events/status-command.ts'),
    ])
    return [setupCommand, statusCommand]
  },
})
