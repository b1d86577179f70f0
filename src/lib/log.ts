import { type DestinationStream, destination, type Logger, pino, stdSerializers } from 'pino'

/**
 * Structured logs: one JSON line per event on standard error, written synchronously (no worker threads, which do not
 * survive bundling, and no lost lines at exit).
 *
 * Agreed keys: `rpc`, `volumeId`, `targetPath`, `pod` (namespace/name), `class`, `provider`, `vault`, `object`, `identity`,
 * `durationMs`, `err`. A `SecretValue` prints as `[redacted]` under any key.
 */
export type Log = Logger

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogOptions {
  /** Name of the process part, for example `driver`. */
  name: string
  /** Default `info`. */
  level?: LogLevel
  /** Where lines go. Default: standard error. */
  stream?: DestinationStream
}

export function createLog(options: LogOptions): Log {
  const { name, level = 'info', stream = destination({ dest: 2, sync: true }) } = options
  return pino(
    {
      name,
      level,
      base: { name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // The default adds the messages of all causes to each message, which has its cause's already.
      serializers: { err: stdSerializers.errWithCause },
    },
    stream,
  )
}

/** A logger that writes nothing. */
export const silentLog: Log = pino({ level: 'silent' })
