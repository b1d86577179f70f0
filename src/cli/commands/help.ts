import { defineCommand } from '../command.ts'

export const command = defineCommand({
  name: 'help',
  group: 'general',
  summary: 'describe a command',
  options(command) {
    command.argument('[command...]', 'words of the command; without them, all commands are listed')
  },
  async run({ words: [words], world }) {
    const { runCli } = await import('../program.ts')
    return runCli({ ...world, argv: [...((words ?? []) as readonly string[]), '--help'] })
  },
})
