import packageJson from '../../package.json' with { type: 'json' }

/** Version of this build, as daemons and protocols tell it: `v` and the version of the package. */
export const buildVersion = `v${packageJson.version}`
