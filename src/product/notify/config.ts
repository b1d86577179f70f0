import { versionFlag } from '#daemon'
import type { LogLevel, Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, ListenAddress, Program } from '#lib/flags'
import { type NotifyAction, signalName } from './actions.ts'
import type { NotifyConfig } from './start-notify.ts'

/** `docs/flags.md` is generated from this. */
export const notifyFlags = {
  watch: { type: 'strings', default: [], help: 'Directories where volumes with secrets are mounted; at least one' },
  settle: {
    type: 'duration',
    default: 500,
    min: 0,
    max: 60_000,
    help: 'Act when nothing has changed for this long, so that volumes that change together are one change',
  },
  post: {
    type: 'string',
    default: '',
    help: 'POST to this URL of the pod; a status below 300 is success, otherwise it is tried up to five times',
  },
  signal: {
    type: 'string',
    default: '',
    help: 'Send this signal, for example HUP, to the processes that --process names',
  },
  process: {
    type: 'string',
    default: '',
    help: 'Name of the program that gets the signal; the pod needs shareProcessNamespace and the same user, or the capability KILL',
  },
  'exit-code': {
    type: 'integer',
    default: 0,
    min: 0,
    max: 255,
    help: 'End with this status, for restartPolicyRules with the action RestartAllContainers (Kubernetes 1.36). 0: none',
  },
  command: {
    type: 'string',
    default: '',
    help: 'Run this program in this container, with arguments separated by blanks',
  },
  'metrics-addr': { type: 'address', default: '', help: 'Address of /metrics; empty or 0 for none' },
  version: versionFlag,
  v: { type: 'integer', default: 0, help: 'Verbosity of the log: 0 info, 4 debug' },
} as const satisfies FlagSpecs

export interface NotifyProgramConfig {
  logLevel: LogLevel
  metricsAddress: ListenAddress | undefined
  notify: NotifyConfig
}

export const notifyProgram: Program<typeof notifyFlags, NotifyProgramConfig> = {
  name: 'notify',
  summary:
    "A pod's sidecar that notifies the application when its secrets have changed: by a request, a signal, a command or its own end.",
  flags: notifyFlags,
  configure,
}

function configure(flags: FlagValues<typeof notifyFlags>, _env: Environment, problems: Problems): NotifyProgramConfig {
  for (const directory of flags.watch)
    if (!directory.startsWith('/')) problems.unexpected('--watch', directory, 'an absolute path')
  if (flags.watch.length === 0) problems.add('--watch', 'missing; name the directory of at least one volume')
  const actions = actionsOf(
    {
      post: flags.post,
      signal: flags.signal,
      process: flags.process,
      'exit-code': flags['exit-code'] === 0 ? '' : String(flags['exit-code']),
      command: flags.command,
    },
    problems,
    '--',
  )
  return {
    logLevel: flags.v >= 4 ? 'debug' : 'info',
    metricsAddress: flags['metrics-addr'],
    notify: { watch: flags.watch, quietMs: flags.settle, actions },
  }
}

export type ActionWords = Readonly<Record<'post' | 'signal' | 'process' | 'exit-code' | 'command', string>>

/** The actions that these words ask for; empty ones ask for none. @param prefix of the names in problems. */
export function actionsOf(words: ActionWords, problems: Problems, prefix: string): NotifyAction[] {
  const actions: NotifyAction[] = []
  if (words.post !== '') {
    if (URL.canParse(words.post) && /^https?:/.test(words.post)) actions.push({ kind: 'post', url: words.post })
    else problems.unexpected(`${prefix}post`, words.post, 'a URL such as http://127.0.0.1:9000/-/reload')
  }
  if (words.signal !== '') {
    const signal = signalName(words.signal)
    if (signal === undefined) problems.unexpected(`${prefix}signal`, words.signal, 'a signal such as HUP')
    else if (words.process === '') problems.add(`${prefix}process`, `missing; ${prefix}signal needs it`)
    else actions.push({ kind: 'signal', signal, process: words.process })
  } else if (words.process !== '') problems.add(`${prefix}signal`, `missing; ${prefix}process needs it`)
  if (words.command !== '')
    actions.push({ kind: 'command', words: words.command.split(/ +/).filter((word) => word !== '') })
  if (words['exit-code'] !== '') {
    const code = Number(words['exit-code'])
    if (Number.isInteger(code) && code > 0 && code < 256) actions.push({ kind: 'exit-code', code })
    else problems.unexpected(`${prefix}exit-code`, words['exit-code'], 'an integer from 1 to 255')
  }
  if (actions.length === 0 && problems.count === 0)
    problems.add('', `expected at least one of ${prefix}post, ${prefix}signal, ${prefix}command and ${prefix}exit-code`)
  return actions
}
