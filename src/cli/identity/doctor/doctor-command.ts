import { defineCommand } from '../../command.ts'
import { addCluster, addOutput, type OutputOption, wantsJson } from '../../options.ts'
import { refuseSecretOnCommandLine } from '../refuse-secret.ts'
import { addSignIn, type SignInOptions } from '../sign-in-options.ts'

interface DoctorOptions extends SignInOptions, OutputOption {
  namespace?: string
  signIn: boolean
}

/** `keymount identity doctor [POD]`. */
export const doctorCommand = defineCommand<DoctorOptions>({
  name: 'doctor',
  summary: 'find out why a pod does not sign in, with the commands that fix it',
  description:
    'Checks everything between a pod and its token: class, service account, webhook, issuer, federated credential, ' +
    'tenant, and the right to read from the vault. Tries the sign-in with a token of the service account. Changes ' +
    'nothing; what you have no right to read is listed as not checked. Exit status 1 if something is wrong.',
  options(command) {
    command
      .argument('[pod]', 'name of the pod; without it, all pods of the namespace that sign in, without asking Azure')
      .option('-n, --namespace <namespace>', 'namespace of the pod (default: that of the kubeconfig’s context)')
    addOutput(command).option('--no-sign-in', 'create no token of the service account, and send none to Entra')
    addCluster(addSignIn(command))
  },
  async run({ options, words: [pod], world }) {
    refuseSecretOnCommandLine(options)
    const { namespace, signIn, kubeconfig, home } = options
    const { doctor } = await import('./doctor.ts')
    const cluster = { kubeconfig, home }
    return doctor({ pod, namespace, signIn, json: wantsJson(options), azureFlags: options, cluster, world })
  },
})
