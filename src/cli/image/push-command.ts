import { defineCommand } from '../command.ts'
import { type AzureFlags, addSignIn } from '../identity/sign-in-options.ts'
import { addOutput, type OutputOption, splitNames, wantsJson } from '../options.ts'

interface PushFlags extends OutputOption, AzureFlags {
  platform?: string[]
  plainHttp?: boolean
}

/** `keymount image push`. */
export const pushCommand = defineCommand<PushFlags>({
  name: 'push',
  summary: 'build it and push it to your registry, without Docker',
  description:
    'Builds the container image for linux/amd64 and linux/arm64, pushes both under one tag, and prints the digest. ' +
    'It signs in with what docker login has stored. An Azure Container Registry without such an entry gets the sign-in ' +
    'of az, or that of the options below.',
  options(command) {
    command
      .argument('<reference>', 'REGISTRY/NAME:TAG, for example contoso.azurecr.io/keymount:0.2.0')
      .option(
        '--platform <names>',
        'of linux/amd64, linux/arm64 and windows/amd64, for example linux/amd64 (default: both of Linux)',
        splitNames,
      )
      .option('--plain-http', 'the registry has no TLS')
    addSignIn(addOutput(command))
  },
  async run({ options, words: [reference = ''], world }) {
    const { pushImage } = await import('./push-image.ts')
    const { platform: platforms, plainHttp = false } = options
    return pushImage({ reference, platforms, plainHttp, json: wantsJson(options), signIn: options, world })
  },
})
