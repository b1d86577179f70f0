import type { LimitTable } from '#lib'

/** What one mount, one namespace and all of them together may take of the provider. */
export const providerLimits = {
  mountBytes: {
    value: 4 * 1024 * 1024,
    unit: 'bytes',
    what: 'files of one mount, names included',
    beyond: 'the mount fails (mount-too-large)',
    flag: 'provider --max-mount-bytes',
  },
  answerBytes: {
    value: 32 * 1024 * 1024,
    unit: 'bytes',
    what: 'files of all mounts in progress on a node; the last quarter is for namespaces that have less than a quarter',
    beyond: 'further mounts fail and are tried again (provider-busy)',
    flag: 'provider --max-answer-bytes',
  },
  mounts: {
    value: 1000,
    unit: 'count',
    what: 'mounts in progress on a node',
    beyond: 'further mounts fail and are tried again (provider-busy)',
  },
  mountsOfNamespace: {
    value: 250,
    unit: 'count',
    what: 'mounts in progress of one namespace on a node',
    beyond: 'further mounts fail and are tried again (provider-busy)',
  },
  vaultRequests: {
    value: 192,
    unit: 'count',
    what: 'requests in flight to one vault from a node',
    beyond: 'further requests wait; namespaces take turns',
  },
  vaultRequestsOfNamespace: {
    value: 48,
    unit: 'count',
    what: 'requests in flight to one vault from one namespace on a node',
    beyond: 'further requests wait',
  },
  preparedConnections: {
    value: 64,
    unit: 'count',
    what: 'connections of a node that are open to vaults before a request needs them',
    beyond: 'further ones are opened by the requests that use them',
  },
  preparedConnectionsOfNamespace: {
    value: 24,
    unit: 'count',
    what: 'connections to vaults that are open before a request needs them, for mounts of one namespace on a node',
    beyond: 'further ones are opened by the requests that use them',
  },
  selectSteps: {
    value: 10_000_000,
    unit: 'count',
    what: 'steps of the patterns of a class at one check, each some nanoseconds',
    beyond: 'the mount fails (select-too-many)',
  },
  tickReads: {
    value: 2,
    unit: 'count',
    what: 'reads of one vault in flight from a node for the ticks of rotation',
    beyond: 'further reads of ticks wait; mounts of new pods and rotations that were asked for do not',
  },
  tickWaitMs: {
    value: 5000,
    unit: 'milliseconds',
    what: 'time that a read of a tick waits for others',
    beyond: 'it is sent with the others',
  },
  cloudFileBytes: {
    value: 64 * 1024,
    unit: 'bytes',
    what: 'environment file of AzureStackCloud',
    beyond: 'the mount fails (cloud-unknown)',
  },
  sharedBytes: {
    value: 16 * 1024 * 1024,
    unit: 'bytes',
    what: 'values that are shared for five seconds after they were read',
    beyond: 'a further value is read again by the next mount',
  },
  lastGoodBytes: {
    value: 16 * 1024 * 1024,
    unit: 'bytes',
    what: 'values kept for an outage (serveStaleFor), one at most a quarter of it',
    beyond: 'the least recently used is dropped, of a namespace that has more than a quarter first',
    flag: 'provider --last-good-bytes',
  },
  keyMaterialHeap: {
    value: 32 * 1024 * 1024,
    unit: 'bytes',
    what: 'memory of each of the two threads that parse certificates with their keys',
    beyond: 'the object or the sign-in fails',
  },
  keyMaterialMs: {
    value: 10_000,
    unit: 'milliseconds',
    what: 'time to parse a certificate with its key',
    beyond: 'the object or the sign-in fails',
  },
} as const satisfies LimitTable
