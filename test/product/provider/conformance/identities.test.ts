import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { mounted, type Row, refused, walk } from './walk.ts'

const tokens = 'csi.storage.k8s.io/serviceAccount.tokens'
const modeNone = 'failed to build auth config for mode None: '
const modeProxy = 'failed to build auth config for mode AzureTokenProxy: '
const noTokens = `${modeNone}failed to parse workload identity tokens, error: `
const podIdentity = {
  words: ['NMI at http://127.0.0.1:9 cannot be reached', 'default/app-0'],
  code: status.UNAVAILABLE,
}
const systemAssigned = {
  words: ['system-assigned managed identity of the node', 'Identity not found'],
  code: status.UNAUTHENTICATED,
}

/** Without `clientID` and token: what is left is the secret. */
const bare = { clientID: '', [tokens]: '' }

const choice: Row[] = [
  { name: 'clientID and a token: workload identity', expect: mounted },
  {
    name: 'clientID, a token and a secret: workload identity',
    secrets: { clientid: 'unknown', clientsecret: 'planted-secret' },
    expect: mounted,
  },
  {
    name: 'clientID and a secret, but no token: never the secret',
    parameters: { [tokens]: '' },
    secrets: ({ application }) => application,
    expect: refused(`${noTokens}service account tokens not found`),
  },
  {
    name: 'no clientID and a secret: service principal, whatever the token',
    parameters: { clientID: '' },
    secrets: ({ application }) => application,
    expect: mounted,
  },
  {
    name: 'neither',
    parameters: bare,
    expect: refused(`${modeNone}failed to get credentials, nodePublishSecretRef secret is not set`),
  },
  { name: 'usePodIdentity', parameters: { ...bare, usePodIdentity: 'true' }, expect: podIdentity },
  {
    name: 'useVMManagedIdentity without an id: the system-assigned identity',
    parameters: { ...bare, useVMManagedIdentity: 'true' },
    expect: systemAssigned,
  },
  {
    name: 'useVMManagedIdentity with an id: that identity',
    parameters: { ...bare, useVMManagedIdentity: 'true', userAssignedIdentityID: ' some-id ' },
    expect: { words: ['user-assigned managed identity some-id', 'vmss identity assign'], code: status.UNAUTHENTICATED },
  },
  {
    name: 'usePodIdentity with a clientID and no token, unlike upstream',
    parameters: { [tokens]: '', usePodIdentity: 'true' },
    expect: podIdentity,
  },
  {
    name: 'useVMManagedIdentity with a clientID and a broken token, unlike upstream',
    parameters: { [tokens]: '{', useVMManagedIdentity: 'true' },
    expect: systemAssigned,
  },
  {
    name: 'useAzureTokenProxy with everything: identity binding, which this provider has no proxy for',
    parameters: {
      useAzureTokenProxy: 'true',
      [tokens]: JSON.stringify({ 'api://AKSIdentityBinding': { token: unsigned('bound') } }),
    },
    expect: { words: ['proxy transport not available'], code: status.UNAVAILABLE },
  },
]

const principals: Row[] = [
  {
    name: 'keys of the secret in any case',
    parameters: bare,
    secrets: ({ application: { clientid, clientsecret } }) => ({ ClientID: clientid, clientSecret: clientsecret }),
    expect: mounted,
  },
  {
    name: 'values with a final newline, unlike upstream',
    parameters: bare,
    secrets: ({ application: { clientid, clientsecret } }) => ({
      clientid: `${clientid}\n`,
      clientsecret: `${clientsecret}\n`,
    }),
    expect: mounted,
  },
  {
    name: 'an empty secret',
    parameters: bare,
    secrets: {},
    expect: refused(`${modeNone}could not find clientid in secrets`),
  },
  {
    name: 'a secret with an empty clientid',
    parameters: bare,
    secrets: { clientid: '', clientsecret: 'x' },
    expect: refused('could not find clientid in secrets'),
  },
  {
    name: 'a secret without clientsecret',
    parameters: bare,
    secrets: { ClientID: 'x' },
    expect: refused(`${modeNone}could not find clientsecret in secrets`),
  },
  {
    name: 'a clientsecret that is wrong',
    parameters: bare,
    secrets: ({ application }) => ({ ...application, clientsecret: 'planted-wrong' }),
    expect: {
      words: ['[entra-client-secret-wrong]', 'ClientSecretCredential authentication failed'],
      code: status.UNAUTHENTICATED,
    },
  },
  {
    name: 'an invalid clientcertificate',
    parameters: bare,
    secrets: { clientid: 'x', clientcertificate: 'planted-certificate' },
    expect: { words: ['[identity-certificate-invalid]'], code: status.INVALID_ARGUMENT },
  },
]

const exchange = 'api://AzureADTokenExchange'
const tokenRows: Row[] = [
  { name: 'no tokens', parameters: { [tokens]: '' }, expect: refused(`${noTokens}service account tokens not found`) },
  ...['{"a', '[]', '"text"', `{"${exchange}": "text"}`].map((text) => ({
    name: `tokens ${text}`,
    parameters: { [tokens]: text },
    expect: refused(noTokens),
  })),
  ...['{"other": {"token": "x"}}', `{"${exchange}": {"token": ""}}`, '{}'].map((text) => ({
    name: `tokens ${text} have none for the audience`,
    parameters: { [tokens]: text },
    expect: refused(`${noTokens}token for audience ${exchange} not found`),
  })),
  {
    name: 'members in any case, other audiences, and no timestamp',
    parameters: { [tokens]: JSON.stringify({ other: {}, [exchange]: { Token: unsigned('app') } }) },
    expect: { words: ['AADSTS'], code: status.UNAUTHENTICATED },
  },
  {
    name: 'tokens among the secrets, as newer drivers may send them',
    parameters: bare,
    secrets: { [tokens]: JSON.stringify({ [exchange]: { token: unsigned('app') } }) },
    expect: refused('nodePublishSecretRef secret is not set'),
  },
]

const bindings: Row[] = [
  {
    name: 'identity binding without a client',
    parameters: { clientID: '', useAzureTokenProxy: 'true' },
    expect: refused(`${modeProxy}clientID is required for identity binding`),
  },
  {
    name: 'identity binding without tokens',
    parameters: { [tokens]: '', useAzureTokenProxy: 'true' },
    expect: refused(`${modeProxy}service account tokens are required for identity binding`),
  },
  {
    name: 'identity binding with tokens that are not JSON',
    parameters: { [tokens]: '{', useAzureTokenProxy: 'true' },
    expect: refused(`${modeProxy}failed to parse service account token for identity binding, error: `),
  },
  {
    name: 'identity binding with a token for workload identity only',
    parameters: { useAzureTokenProxy: 'true' },
    expect: refused(`${modeProxy}failed to parse`, 'token for audience api://AKSIdentityBinding not found'),
  },
]

const clouds: Row[] = [
  ...['', 'AzurePublicCloud', 'AZUREPUBLICCLOUD', 'azurecloud', ' AzureCloud '].map((name) => ({
    name: `cloudName "${name}" is the public cloud`,
    parameters: { cloudName: name },
    expect: mounted,
  })),
  ...(
    [
      ['AzureUSGovernmentCloud', 'login.microsoftonline.us'],
      ['AZUREUSGOVERNMENT', 'login.microsoftonline.us'],
      ['azurechinacloud', 'login.chinacloudapi.cn'],
      ['AZUREGERMANCLOUD', 'login.microsoftonline.de'],
    ] as const
  ).map(([name, host]) => ({
    name: `cloudName "${name}" signs in at ${host}`,
    parameters: { cloudName: name },
    expect: { words: [`https://${host}`], code: status.UNAVAILABLE },
  })),
  {
    name: 'an unknown cloud',
    parameters: { cloudName: 'AzureCloud1' },
    expect: refused(
      'cloudName AzureCloud1 is not valid, error: autorest/azure: There is no cloud environment matching the name "AZURECLOUD1"',
    ),
  },
  {
    name: 'a stack cloud without its file',
    parameters: { cloudName: 'AzureStackCloud', cloudEnvFileName: '/nowhere/stack.json' },
    expect: refused(
      'cloudName AzureStackCloud is not valid, error: cloudEnvFileName /nowhere/stack.json: classes may name no file here; the provider has no --cloud-files',
    ),
  },
  {
    name: 'a stack cloud without a path, and no path is left from another request',
    parameters: { cloudName: 'azurestackcloud' },
    expect: refused('cloudName AzureStackCloud is not valid, error: open : no such file or directory'),
  },
  {
    name: 'cloudEnvFileName has no effect on another cloud',
    parameters: { cloudEnvFileName: '/nowhere/stack.json' },
    expect: mounted,
  },
]

/** A token with the claims of a service account, without a signature. */
function unsigned(account: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    iss: 'https://issuer.example',
    sub: `system:serviceaccount:default:${account}`,
    aud: ['api://AzureADTokenExchange'],
  }
  return `${part({ alg: 'RS256', kid: 'x' })}.${part({ ...claims, exp: 4_000_000_000 })}.c2lnbmF0dXJl`
}

test('every way to choose who signs in, and every cloud', (t) =>
  walk(t, [...choice, ...principals, ...tokenRows, ...bindings, ...clouds]))
