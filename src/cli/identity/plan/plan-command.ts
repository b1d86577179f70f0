import { InvalidArgumentError, Option } from 'commander'
import { defineCommand } from '../../command.ts'
import { addCluster, parseDirectory } from '../../options.ts'
import { refuseSecretOnCommandLine } from '../refuse-secret.ts'
import { addSignIn, type SignInOptions } from '../sign-in-options.ts'
import type { PlanOptions } from './identity-plan.ts'
import type { PlanFormat } from './plan.ts'

interface Options extends SignInOptions, Omit<PlanOptions, 'there'> {
  cluster?: boolean
  fleet?: string
  issuer?: string
  aks?: string
  namespace: string
  helm?: boolean
  kustomize?: boolean
  values?: string[]
  azure?: boolean
  format: PlanFormat
  outputDir?: string
}

/** `keymount identity plan [PATH…]`. */
export const planCommand = defineCommand<Options>({
  name: 'plan',
  summary: 'print what the identities of manifests need in Azure',
  description:
    'Reads classes, pods and service accounts from files or from the cluster, and prints for each client id which federated ' +
    'credentials and roles it needs. Beyond 20 subjects it plans identity bindings of AKS, or splits the identity. ' +
    'With --azure it asks Azure what is there and prints what is missing. Changes nothing. Exit status 1 if something could not be planned.',
  options(command) {
    command
      .argument('[path...]', 'files or directories of manifests, or - for standard input')
      .option('--cluster', 'read the cluster of the kubeconfig instead of files')
      .option('--fleet <file>', 'clusters that the manifests are for: name, issuer, aks, context, paths of each')
      .option('--issuer <url>', 'of the cluster’s service account tokens, where there is one cluster')
      .option('--aks <id>', 'resource id of that cluster, which makes identity bindings possible')
      .option('-n, --namespace <namespace>', 'of manifests that name none', 'default')
      .option('--helm', 'render charts with helm template')
      .option('--kustomize', 'render directories that have a kustomization with kubectl kustomize')
      .option('-f, --values <file>', 'values of the charts; may be repeated', (file, before: string[] = []) => [
        ...before,
        file,
      ])
      .optionsGroup('Plan:')
      .addOption(
        new Option('--format <format>', 'what to print')
          .choices(['table', 'az', 'bicep', 'terraform', 'json'])
          .default('table'),
      )
      .addOption(new Option('--output-dir <directory>', 'write files instead of printing').argParser(parseDirectory))
      .addOption(
        new Option('--bindings <when>', 'identity bindings: where credentials do not fit, or for all')
          .choices(['auto', 'never', 'always'])
          .default('auto'),
      )
      .addOption(
        new Option('--max-fics <number>', 'federated credentials of an identity').argParser(parseMax).default(20),
      )
      .addOption(
        new Option('--split <how>', 'how subjects are distributed over several identities')
          .choices(['round-robin', 'by-namespace'])
          .default('round-robin'),
      )
      .addOption(
        new Option('--scope <scope>', 'roles for whole vaults, or for each object')
          .choices(['vault', 'object'])
          .default('vault'),
      )
      .option('--azure', 'also ask Azure what is there: metadata only')
    addCluster(addSignIn(command))
  },
  async run({ options, words, world }) {
    refuseSecretOnCommandLine(options)
    const { plan } = await import('./plan.ts')
    const { cluster = false, fleet, issuer, aks, namespace, helm = false, kustomize = false, values = [] } = options
    const { azure = false, format, outputDir, bindings, maxFics, split, scope, kubeconfig, home } = options
    return plan({
      fleet: {
        paths: words.flat().filter((path) => path !== undefined),
        ...{ fromCluster: cluster, fleetFile: fleet, issuer, aks, namespace, helm, kustomize, values },
        cluster: { kubeconfig, home },
        world,
      },
      options: { bindings, maxFics, split, scope },
      azureFlags: azure ? options : undefined,
      format,
      outputDir,
      world,
    })
  },
})

function parseMax(text: string): number {
  const number = Number(text)
  if (/^\d{1,3}$/.test(text) && number >= 1) return number
  throw new InvalidArgumentError('Expected a number from 1 to 999.')
}
