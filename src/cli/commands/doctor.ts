import { defineCommand } from '../command.ts'
import { doctorOptions, type TopDoctorOptions } from '../doctor/doctor-options.ts'

export const command = defineCommand<TopDoctorOptions>({
  name: 'doctor',
  group: 'cluster',
  summary: 'find out why a pod does not get its secrets, with the command that fixes it',
  description:
    'Follows the data path from the CSIDriver object over node, pod, class, identity and vault to files, Secrets and ' +
    'restarts, to the first step that is wrong. Changes nothing, and never reads a value. Exit status: 0 nothing is wrong, ' +
    '1 something is, 2 it could not look.',
  notes:
    'Targets: pod/NAME, deployment/NAME, statefulset/NAME, daemonset/NAME (their worst pod), class/NAME, secretsync/NAME, ' +
    'node/NAME. `cluster`, or none: a summary of the whole cluster, or with -n of one namespace. docs/troubleshooting.md has the steps and an example.',
  options: doctorOptions,
  async run({ options, words: [target], world }) {
    const { runDoctor } = await import('../doctor/run-doctor.ts')
    return runDoctor(target, options, world)
  },
})
