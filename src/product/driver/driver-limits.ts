import { classLimits } from '#azure/class'
import { secretObjectLimits } from '#kubernetes/client'
import type { LimitTable } from '#lib'

const mebibyte = 1024 * 1024

/** What pods and classes may take of the driver. */
export const driverLimits = {
  response: {
    value: 4 * mebibyte,
    unit: 'bytes',
    what: 'response of a provider to the driver',
    beyond: 'The mount fails with ResourceExhausted; a mounted volume keeps its files.',
    flag: 'driver --max-call-recv-msg-size',
  },
  requestBytes: {
    value: 256 * 1024,
    unit: 'bytes',
    what: 'attributes of a volume, with the Secret of its nodePublishSecretRef',
    beyond: 'The mount fails with InvalidArgument.',
  },
  secretBytes: {
    value: mebibyte,
    unit: 'bytes',
    what: 'files of one entry of secretObjects, those under several keys counted for each',
    beyond: 'The driver does not write that Secret; Kubernetes takes no larger one.',
  },
  volumeBytes: {
    value: 64 * mebibyte,
    unit: 'bytes',
    what: 'memory of the files of one volume',
    beyond: 'The mount fails with ResourceExhausted; a mounted volume keeps its files.',
    flag: 'driver --volume-size-limit',
  },
  largeAnswers: {
    value: 3,
    unit: 'count',
    what: 'responses above 128 KiB that a driver reads at the same time, of which one namespace gets one',
    beyond: 'Further mounts and checks with such a response wait.',
  },
  classReads: {
    value: 16,
    unit: 'count',
    what: 'classes that a driver reads at the same time, of which one namespace gets a quarter',
    beyond: 'Further reads wait.',
  },
  fallbackReads: {
    value: 4,
    unit: 'count',
    what: 'Secrets of fallbackSecretName that a driver reads at the same time, of which one namespace gets one',
    beyond: 'Further mounts that need such a Secret wait.',
  },
  fallbackKeys: {
    value: classLimits.files.value,
    unit: 'count',
    what: 'keys of a Secret of fallbackSecretName, and versions in its keymount.dev/versions',
    beyond:
      'The mount is refused for the keys; for the versions, the resource version of the Secret counts for each key.',
  },
  fallbackVersionsLength: {
    value: 128 * 1024,
    unit: 'characters',
    what: 'length of keymount.dev/versions of a Secret of fallbackSecretName',
    beyond: 'It is ignored; the resource version of the Secret counts for each key.',
  },
  classBytes: {
    value: 256 * 1024,
    unit: 'bytes',
    what: 'names and values of all parameters of a class',
    beyond: 'The mount is refused; a mounted volume keeps its files.',
  },
  heldClass: {
    value: 32 * 1024,
    unit: 'bytes',
    what: 'a class that a driver holds while its volumes are mounted',
    beyond: 'It is read again for each check.',
  },
  rotationSlots: {
    value: 16,
    unit: 'count',
    what: 'rotation checks in progress on one node, of which one namespace gets a quarter',
    beyond: 'Further checks wait.',
  },
  classCheckInterval: {
    value: 1000,
    unit: 'milliseconds',
    what: 'time between the checks of a volume that edits and annotations of its class cause',
    beyond: 'The next check waits; it reads what the class asks for by then.',
  },
  rotationCall: {
    value: 30_000,
    unit: 'milliseconds',
    what: 'time for the provider to answer a rotation check',
    beyond: 'The check fails, the files stay, and it is tried again.',
  },
  staleCall: {
    value: 10_000,
    unit: 'milliseconds',
    what: 'time for the provider to answer a check of a volume that has values from before an outage',
    beyond: 'The check fails, the files stay, and it is tried again 15 s after its begin.',
  },
  secretObjects: secretObjectLimits.secretObjects,
  secretData: secretObjectLimits.secretData,
} as const satisfies LimitTable
