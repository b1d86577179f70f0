import { type Command, Option } from 'commander'
import { addSignIn, type SignInOptions } from '../identity/sign-in-options.ts'
import { addCluster } from '../options.ts'

export interface TopDoctorOptions extends SignInOptions {
  namespace?: string
  probe?: boolean
  azure?: boolean
  signIn: boolean
  rbac?: boolean
  output?: 'text' | 'json'
  json?: boolean
}

/** Arguments and options of `keymount doctor`. */
export function doctorOptions(command: Command): void {
  command
    .argument('[target]', 'what to examine: pod/NAME, class/NAME, node/NAME, … (default: the whole cluster)')
    .option('-n, --namespace <namespace>', 'its namespace (default: that of the kubeconfig’s context)')
    .option('--azure', 'also ask Entra, Resource Manager and the vaults: metadata only')
    .option('--no-sign-in', 'with --azure: do not send a token of the service account to Entra')
    .option('--probe', 'also start a pod with the same account, labels and volumes for at most 60 s, and delete it')
    .option('--rbac', 'print the least Role and ClusterRole that the examination needs, and do nothing else')
    .addOption(new Option('-o, --output <format>', 'print the result in this format').choices(['text', 'json']))
    .option('--json', 'the same as --output json')
  addCluster(addSignIn(command))
}
