import { buildVersion } from './build-version.ts'

/** What `--version` of the webhook and of the proxy prints. Commit and date are set by the image build; empty when run from the sources. */
export const workloadIdentityBuild = {
  buildVersion,
  gitCommit: process.env['KEYMOUNT_COMMIT'] ?? '',
  buildDate: process.env['KEYMOUNT_BUILD_DATE'] ?? '',
  nodeVersion: process.version,
  platform: `${process.platform}/${process.arch}`,
}

/** Upstream's form. */
export function workloadIdentityUserAgent(component: 'webhook' | 'proxy'): string {
  const { gitCommit, buildDate, platform } = workloadIdentityBuild
  return `azure-workload-identity/${component}/${buildVersion} (${platform}) ${gitCommit}/${buildDate}`
}
