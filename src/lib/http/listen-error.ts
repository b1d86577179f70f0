import { CodedError } from '#lib'

/** `code` is the system's, for example `EADDRINUSE`; the message names address and reason. */
export class ListenError extends CodedError {}
