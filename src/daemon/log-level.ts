import type { LogLevel, Problem } from '#lib'

const levels: Readonly<Record<string, LogLevel>> = {
  '': 'info',
  info: 'info',
  debug: 'debug',
  trace: 'trace',
  all: 'trace',
}

/** The value of `--log-level` as workload identity's programs know it; a wrong one is added to `problems`. */
export function parseLogLevel(text: string, problems: Problem[]): LogLevel {
  const level = Object.hasOwn(levels, text) ? levels[text] : undefined
  if (level === undefined) {
    problems.push({ path: '--log-level', message: `found "${text}", expected info, debug, trace or all` })
  }
  return level ?? 'info'
}
