import { defineCommand } from '../command.ts'
import { type AzureFlags, addSignIn } from '../identity/sign-in-options.ts'
import { addOutput, type OutputOption, wantsJson } from '../options.ts'

interface PushFlags extends OutputOption, AzureFlags {
  image?: string
  plainHttp?: boolean
}

/** `keymount charts push`. */
export const pushCommand = defineCommand<PushFlags>({
  name: 'push',
  summary: 'push them to a container registry, for helm install oci://…',
  description:
    'Pushes the charts as helm push does. With --image they install that image, by its digest: one that ' +
    '"keymount image push" has pushed. The sign-in is that of "keymount image push".',
  options(command) {
    command
      .argument('<repository>', 'REGISTRY/PATH: the charts get PATH/NAME, for example contoso.azurecr.io/charts')
      .option('--image <reference>', 'the image of the charts, REGISTRY/NAME:TAG')
      .option('--plain-http', 'the registry has no TLS')
    addSignIn(addOutput(command))
  },
  async run({ options, words: [repository = ''], world }) {
    const { pushCharts } = await import('./push-charts.ts')
    const { image, plainHttp = false } = options
    return pushCharts({ repository, image, plainHttp, json: wantsJson(options), signIn: options, world })
  },
})
