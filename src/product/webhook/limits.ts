import type { LimitTable } from '#lib'

/** What the webhook accepts of pods and of connections. */
export const webhookLimits = {
  containersAndMounts: {
    value: 1000,
    unit: 'count',
    what: 'containers and volume mounts of a pod',
    beyond: 'The pod is admitted unchanged, without a token, and its creator is warned.',
  },
  mountPath: {
    value: 4096,
    unit: 'characters',
    what: 'mountPath of a volume mount',
    beyond: 'The pod is admitted unchanged, without a token, and its creator is warned.',
  },
  envAnnotation: {
    value: 16_384,
    unit: 'characters',
    what: 'annotation keymount.dev/env of a pod',
    beyond: 'The pod is refused.',
  },
  envContainersAnnotation: {
    value: 16_384,
    unit: 'characters',
    what: 'annotation keymount.dev/env-containers of a pod',
    beyond: 'The pod is refused.',
  },
  envVariables: {
    value: 2000,
    unit: 'count',
    what: 'environment variables that keymount.dev/env adds to all containers of a pod',
    beyond: 'The pod is refused.',
  },
  body: {
    value: 7 * 1024 * 1024,
    unit: 'bytes',
    what: 'body of one admission request',
    beyond: 'The request is denied with 413.',
  },
  values: {
    value: 100_000,
    unit: 'count',
    what: 'values in the JSON of one admission request',
    beyond: 'The request is denied with 413.',
  },
  bodies: {
    value: 24 * 1024 * 1024,
    unit: 'bytes',
    what: 'bodies of all admission requests in progress',
    beyond:
      'The largest body that is still incomplete is answered with 503 and Retry-After, so that small ones get through.',
  },
  connections: {
    value: 512,
    unit: 'count',
    what: 'open connections of the webhook',
    beyond: 'A further one takes the place of the oldest whose client has not sent a whole request, or of an idle one.',
  },
  request: {
    value: 10_000,
    unit: 'milliseconds',
    what: 'time to send one admission request',
    beyond:
      'The request is answered with 408 and its connection closed. The TLS handshake and the headers have 5 s each.',
  },
  classCheck: {
    value: 2000,
    unit: 'milliseconds',
    what: 'time to check one SecretProviderClass, in a thread of its own',
    beyond: 'The class is admitted, and its creator is warned that it could not be checked.',
  },
} as const satisfies LimitTable
