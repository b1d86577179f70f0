/** How `keymount azure fault` is asked to make a host fail; exactly one of the first four is given. */
export interface FaultOptions {
  unreachable?: boolean
  status?: number
  throttle?: boolean
  clear?: boolean
  /** In seconds, with `throttle`. Default: 1. */
  retryAfter?: number
}
