import { type CliWorld, createTerminal, exitCodes } from '#terminal'
import { refuseSecretOnCommandLine } from '../identity/refuse-secret.ts'
import { doctor } from './doctor.ts'
import type { TopDoctorOptions } from './doctor-options.ts'
import { minimalRoles } from './rbac.ts'

/** `keymount doctor`, with the options as the command line gives them. */
export async function runDoctor(
  target: string | undefined,
  options: TopDoctorOptions,
  world: CliWorld,
): Promise<number> {
  refuseSecretOnCommandLine(options)
  const {
    namespace,
    probe = false,
    azure = false,
    signIn,
    rbac = false,
    output,
    json = false,
    kubeconfig,
    home,
  } = options
  if (rbac) {
    const roles = minimalRoles({ namespace: namespace ?? 'default', probe, azure })
    createTerminal(world).line(JSON.stringify(roles, null, 2))
    return exitCodes.ok
  }
  const isJson = json || output === 'json'
  const cluster = { kubeconfig, home }
  return doctor({ target, namespace, probe, azure, signIn, json: isJson, azureFlags: options, cluster, world })
}
