import { type Command, Option } from 'commander'
import {
  type CommandsContext,
  homeOf,
  refuseSecretOnCommandLine,
  type SignInOptions,
  withCluster,
  withSignIn,
} from '../command-options.ts'

interface DoctorOptions extends SignInOptions {
  namespace?: string
  output?: 'json'
  signIn: boolean
}

/** `keymount identity doctor POD`. */
export function addDoctor(parent: Command, context: CommandsContext): void {
  const command = parent
    .command('doctor')
    .summary('why a pod does not sign in, with the commands that mend it')
    .description(
      'Looks at everything between a pod and its token: label, webhook, service account, class, issuer, federated ' +
        'credential, tenant, and the right to read from the vault. Tries the sign-in with a token of the service account. ' +
        'Changes nothing; what you may not look at, it leaves out and says so. Exit status 1 when something is wrong.',
    )
    .argument('[pod]', 'name of the pod; without it, all pods of the namespace that should sign in, without Azure')
    .option('-n, --namespace <namespace>', 'of the pod (default: that of the kubeconfig’s context)')
    .addOption(new Option('-o, --output <format>', 'for programs').choices(['json']))
    .option('--no-sign-in', 'make no token of the service account, and show none to Entra')
  withCluster(withSignIn(command)).action(async (pod: string | undefined, options: DoctorOptions) => {
    refuseSecretOnCommandLine(options)
    const { doctor } = await import('./doctor.ts')
    const { namespace, output, signIn, kubeconfig } = options
    const { world, finish } = context
    const where = { kubeconfig, home: homeOf(context, options), world }
    finish(await doctor({ pod, namespace, signIn, json: output === 'json', azureFlags: options, ...where }))
  })
}
