import { type Cloud, findCloud } from '#azure/identity'
import { httpFromEnvironment, parseLogLevel, workloadIdentityUserAgent } from '#daemon'
import { type LogLevel, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, parseGoFlags } from '#lib/flags'
import { metadataAddress } from './imds-request.ts'
import type { ProxyConfig } from './start-proxy.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const proxyFlags = {
  'proxy-port': { type: 'integer', default: 8000, help: 'Port on 127.0.0.1, which proxy-init redirects to' },
  probe: { type: 'boolean', default: false, help: 'Wait until the proxy on this port answers, and exit' },
  'log-level': { type: 'string', default: '', help: 'info, debug, trace or all' },
  version: { type: 'boolean', default: false, help: 'Print the version as JSON, and exit' },

  'imds-endpoint': {
    type: 'string',
    default: `http://${metadataAddress}`,
    help: 'Where requests go that ask for no token',
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

export type ProxyCommand =
  | { kind: 'version' }
  | { kind: 'probe'; port: number }
  | { kind: 'serve'; logLevel: LogLevel; config: ProxyConfig }

/** Command line and environment as one typed configuration. Throws {@link ProblemsError} with everything that is wrong. */
export function proxyConfig(argv: readonly string[], env: NodeJS.ProcessEnv): ProxyCommand {
  const flags = parseGoFlags('proxy', proxyFlags, argv)
  if (flags.version) return { kind: 'version' }
  const problems: Problem[] = []
  const port = flags['proxy-port']
  if (port < 0 || port > 65_535) problems.push({ path: '--proxy-port', message: `found ${port}, expected 1 to 65535` })
  const logLevel = parseLogLevel(flags['log-level'], problems)
  if (flags.probe) {
    if (problems.length > 0) throw new ProblemsError('proxy', problems)
    return { kind: 'probe', port }
  }
  const imdsEndpoint = flags['imds-endpoint']
  if (!/^http:\/\/[^/?#@]+\/?$/.test(imdsEndpoint) || !URL.canParse(imdsEndpoint)) {
    const expected = `expected http://HOST[:PORT] such as http://${metadataAddress}`
    problems.push({ path: '--imds-endpoint', message: `found "${imdsEndpoint}", ${expected}` })
  }
  const tenantId = injected(env, 'AZURE_TENANT_ID', problems)
  const tokenFile = injected(env, 'AZURE_FEDERATED_TOKEN_FILE', problems)
  const cloud = cloudOf(env, problems)
  const http = httpFromEnvironment(env, problems)
  const extraCa = env['KEYMOUNT_EXTRA_CA'] ?? ''
  if (extraCa !== '' && !extraCa.includes('-----BEGIN CERTIFICATE-----')) {
    problems.push({ path: 'KEYMOUNT_EXTRA_CA', message: 'holds no PEM certificate' })
  }
  if (problems.length > 0) throw new ProblemsError('proxy', problems)
  return {
    kind: 'serve',
    logLevel,
    config: {
      port,
      tenantId,
      clientId: env['AZURE_CLIENT_ID'] ?? '',
      cloud,
      tokenFile,
      holdMs: flags['token-cache-ttl'],
      requireMetadataHeader: flags['require-metadata-header'],
      imdsEndpoint,
      http: extraCa === '' ? http : { ...http, extraCa: [http.extraCa ?? '', extraCa].join('\n') },
      userAgent: workloadIdentityUserAgent('proxy'),
    },
  }
}

/** A variable that the webhook gives every container. */
function injected(env: NodeJS.ProcessEnv, name: string, problems: Problem[]): string {
  const value = env[name] ?? ''
  if (value === '') {
    problems.push({ path: '', message: `${name} not set; the workload identity webhook sets it for a labelled pod` })
  }
  return value
}

function cloudOf(env: NodeJS.ProcessEnv, problems: Problem[]): Cloud {
  const publicCloud = findCloud('')
  if (publicCloud === undefined) throw new Error('the public cloud is not known')
  const authority = env['AZURE_AUTHORITY_HOST'] ?? ''
  if (authority === '') return publicCloud
  if (!/^https:\/\/[^?#@]+$/.test(authority) || !URL.canParse(authority)) {
    problems.push({
      path: 'AZURE_AUTHORITY_HOST',
      message: `found "${authority}", expected a URL such as https://login.microsoftonline.com/`,
    })
  }
  return { ...publicCloud, authority: authority.replace(/\/+$/, '') }
}
