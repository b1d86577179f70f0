import { CodedError } from '#lib'

/** Pods cannot have networks of their own on this machine; the message is the reason, for people. */
export class PodNetworkError extends CodedError<'pod-network'> {
  constructor(message: string) {
    super('pod-network', message)
  }
}
