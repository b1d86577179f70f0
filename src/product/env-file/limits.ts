import type { LimitTable } from '#lib'

/** What the init container accepts. Kubelet reads the file line by line, and no line may be longer than 64 KiB. */
export const envFileLimits = {
  file: {
    value: 64 * 1024,
    unit: 'bytes',
    what: 'file with environment variables of a pod, with names and quotes',
    beyond: 'Nothing is written, and the init container fails with `env-file-too-large`.',
  },
  variables: {
    value: 1000,
    unit: 'count',
    what: 'variables in the file with environment variables of a pod',
    beyond: 'Nothing is written, and the init container fails with `env-file-too-large`.',
  },
} as const satisfies LimitTable
