import { defineCommand } from '../command.ts'
import { addOutput, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<OutputOption>({
  name: 'explain',
  group: 'cluster',
  summary: 'what an error code of a mount means, and how to fix it',
  description:
    'Explains the code in square brackets with which the event of a pod begins ("kubectl describe pod"). Without a code, ' +
    'all codes are listed. A whole event works, too: the codes in it are explained.',
  options(command) {
    addOutput(command).argument('[code]', 'code such as vault-forbidden, or a text that has codes in brackets')
  },
  async run({ options, words: [code], world }) {
    const { explain } = await import('../explain/explain.ts')
    return explain({ code, json: wantsJson(options), world })
  },
})
