import { defineCommand } from '../command.ts'
import { addOutput, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<OutputOption>({
  name: 'version',
  group: 'general',
  summary: 'print the version',
  options(command) {
    addOutput(command)
  },
  async run({ options, world }) {
    world.stdout.write(`${wantsJson(options) ? JSON.stringify({ version: world.version }, null, 2) : world.version}\n`)
    return 0
  },
})
