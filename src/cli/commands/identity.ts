import { defineCommand } from '../command.ts'

export const command = defineCommand({
  name: 'identity',
  group: 'cluster',
  summary: 'let service accounts sign in to Azure, and find out why they do not',
  description:
    'Workload identity from the command line: the application or managed identity, the service account, the federated ' +
    'credential and the role; the issuer’s documents; and why a pod does not sign in. The flags are those of azwi.',
  async subcommands() {
    const [{ serviceAccountCommand }, { jwksCommand }, { doctorCommand }, { planCommand }] = await Promise.all([
      import('../identity/serviceaccount/serviceaccount-command.ts'),
      import('../identity/jwks-command.ts'),
      import('../identity/doctor/doctor-command.ts'),
      import('../identity/plan/plan-command.ts'),
    ])
    return [serviceAccountCommand, jwksCommand, doctorCommand, planCommand]
  },
})
