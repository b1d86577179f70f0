import { Argument } from 'commander'
import { defineCommand } from '../command.ts'

const words = defineCommand({
  name: 'words',
  hidden: true,
  summary: 'print what can be the last of these words',
  options(command) {
    command.argument('[word...]').allowUnknownOption().passThroughOptions()
  },
  async run({ words: [typed], world }) {
    const { printCompletions } = await import('../completion/print-completions.ts')
    return printCompletions([typed ?? []].flat(), world)
  },
})

export const command = defineCommand({
  name: 'completion',
  group: 'general',
  summary: 'print the completion script of a shell',
  notes: (programName) =>
    [
      'In your shell, or its start-up file:',
      `  eval "$(${programName} completion bash)"`,
      `  eval "$(${programName} completion zsh)"`,
      `  ${programName} completion fish | source`,
      'It completes "keymount" where that is on the PATH, not "npx keymount": "npm link" in the clone puts it there.',
    ].join('\n'),
  options(command) {
    command.addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
  },
  subcommands: async () => [words],
  async run({ words: [shell], world }) {
    const { completionScript } = await import('../completion/completion-script.ts')
    world.stdout.write(completionScript(shell as 'bash' | 'zsh' | 'fish'))
    return 0
  },
})
