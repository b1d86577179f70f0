import { defineCommand } from '../command.ts'

export const command = defineCommand({
  name: 'version',
  group: 'general',
  summary: 'print the version',
  async run({ world }) {
    world.stdout.write(`${world.version}\n`)
    return 0
  },
})
