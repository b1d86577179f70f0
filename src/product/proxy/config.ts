import { type Cloud, findCloud } from '#azure/identity'
import {
  httpFromEnvironment,
  logLevelFlag,
  logLevelOf,
  workloadIdentityUserAgent,
  workloadIdentityVersionFlag,
} from '#daemon'
import type { LogLevel, Problems } from '#lib'
import { withoutEnd } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { isImdsEndpoint, metadataAddress } from '#product/imds'
import type { ProxyConfig } from './start-proxy.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const proxyFlags = {
  'proxy-port': { type: 'port', default: 8000, help: 'Port on 127.0.0.1, which proxy-init redirects to' },
  probe: { type: 'boolean', default: false, help: 'Wait until the proxy on this port answers, and exit' },
  'log-level': logLevelFlag,
  version: workloadIdentityVersionFlag,

  'imds-endpoint': {
    type: 'string',
    default: `http://${metadataAddress}`,
    help: 'Instance metadata service that all other requests are forwarded to',
  },
  'require-metadata-header': {
    type: 'boolean',
    default: true,
    help: 'Refuse token requests without the header Metadata: true, as IMDS does',
  },
  'token-cache-ttl': {
    type: 'duration',
    default: 600_000,
    help: 'How long an Entra token is used; a removed federated credential takes effect after that',
  },
} as const satisfies FlagSpecs

export type ProxyProgramConfig =
  | { probe: true; port: number }
  | { probe: false; logLevel: LogLevel; proxy: ProxyConfig }

export const proxyProgram: Program<typeof proxyFlags, ProxyProgramConfig> = {
  name: 'proxy',
  summary: "A pod's sidecar in place of IMDS: answers token requests by workload identity.",
  flags: proxyFlags,
  configure,
}

function configure(flags: FlagValues<typeof proxyFlags>, env: Environment, problems: Problems): ProxyProgramConfig {
  const port = flags['proxy-port']
  if (flags.probe) return { probe: true, port }
  const imdsEndpoint = flags['imds-endpoint']
  if (!isImdsEndpoint(imdsEndpoint)) {
    problems.unexpected('--imds-endpoint', imdsEndpoint, `http://HOST[:PORT] such as http://${metadataAddress}`)
  }
  const tenantId = injected(env, 'AZURE_TENANT_ID', problems)
  const tokenFile = injected(env, 'AZURE_FEDERATED_TOKEN_FILE', problems)
  const http = httpFromEnvironment(env, problems)
  const extraCa = env.KEYMOUNT_EXTRA_CA ?? ''
  if (extraCa !== '' && !extraCa.includes('-----BEGIN CERTIFICATE-----')) {
    problems.add('KEYMOUNT_EXTRA_CA', 'there is no PEM certificate in it')
  }
  return {
    probe: false,
    logLevel: logLevelOf(flags['log-level']),
    proxy: {
      port,
      tenantId,
      clientId: env.AZURE_CLIENT_ID ?? '',
      cloud: cloudOf(env, problems),
      tokenFile,
      holdMs: flags['token-cache-ttl'],
      requireMetadataHeader: flags['require-metadata-header'],
      imdsEndpoint,
      http: extraCa === '' ? http : { ...http, extraCa: [http.extraCa ?? '', extraCa].join('\n') },
      userAgent: workloadIdentityUserAgent('proxy', env),
    },
  }
}

/** A variable that the webhook gives every container. */
function injected(env: Environment, name: string, problems: Problems): string {
  const value = env[name] ?? ''
  if (value === '') {
    problems.add('', `${name} not set; the workload identity webhook sets it for a labelled pod`)
  }
  return value
}

function cloudOf(env: Environment, problems: Problems): Cloud {
  const publicCloud = findCloud('')
  if (publicCloud === undefined) throw new Error('the table of clouds lacks the public cloud')
  const authority = env.AZURE_AUTHORITY_HOST ?? ''
  if (authority === '') return publicCloud
  if (!/^https:\/\/[^?#@]+$/.test(authority) || !URL.canParse(authority)) {
    problems.unexpected('AZURE_AUTHORITY_HOST', authority, 'a URL such as https://login.microsoftonline.com/')
  }
  return { ...publicCloud, authority: withoutEnd(authority, '/') }
}
