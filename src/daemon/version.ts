import type { Environment, FlagSpec } from '#lib/flags'
import packageJson from '../../package.json' with { type: 'json' }

/** Version of the package, such as `0.2.0`. */
export const packageVersion = packageJson.version

/** Version of this build, as daemons and protocols report it: `v` and the version of the package. */
export const buildVersion = `v${packageVersion}`

/** Commit and date are set by the image build; empty when run from the sources. */
export function buildOf(env: Environment): { commit: string; date: string } {
  return { commit: env.KEYMOUNT_COMMIT ?? '', date: env.KEYMOUNT_BUILD_DATE ?? '' }
}

/** `--version` of Keymount's own programs. */
export const versionFlag = {
  type: 'boolean',
  default: false,
  help: 'Print the version as JSON, and exit',
  prints(env: Environment) {
    const { commit: gitCommit, date: buildDate } = buildOf(env)
    return JSON.stringify({ buildVersion, gitCommit, buildDate })
  },
} as const satisfies FlagSpec

const platform = `${process.platform}/${process.arch}`

/** `--version` of workload identity's programs, in upstream's form. */
export const workloadIdentityVersionFlag = {
  ...versionFlag,
  prints(env: Environment) {
    const { commit: gitCommit, date: buildDate } = buildOf(env)
    return JSON.stringify({ buildVersion, gitCommit, buildDate, nodeVersion: process.version, platform })
  },
} as const satisfies FlagSpec

/** User agent of workload identity's programs, in upstream's form. */
export function workloadIdentityUserAgent(component: 'webhook' | 'proxy', env: Environment): string {
  const { commit, date } = buildOf(env)
  return `azure-workload-identity/${component}/${buildVersion} (${platform}) ${commit}/${date}`
}
