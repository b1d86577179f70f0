import type { FlagSpecs } from './go-flags.ts'

const help = 'a flag of the logging library of Go; logs are JSON lines on standard error'

/**
 * What klog adds to the command line of every Go daemon, but for `-v`, whose meaning is each daemon's own. Accepted, so that
 * manifests written for those daemons start ours. https://pkg.go.dev/k8s.io/klog/v2#InitFlags
 */
export const klogFlags = {
  vmodule: { type: 'ignored', help },
  logtostderr: { type: 'ignored', help },
  alsologtostderr: { type: 'ignored', help },
  stderrthreshold: { type: 'ignored', help },
  log_backtrace_at: { type: 'ignored', help },
  log_dir: { type: 'ignored', help },
  log_file: { type: 'ignored', help },
  log_file_max_size: { type: 'ignored', help },
  skip_headers: { type: 'ignored', help },
  skip_log_headers: { type: 'ignored', help },
  add_dir_header: { type: 'ignored', help },
  one_output: { type: 'ignored', help },
} as const satisfies FlagSpecs
