// Finds wording that engineers stumble over, in comments, strings, documentation and the words of identifiers.
// `npm run check` runs it; `node bin/node.mjs scripts/check-language.ts --report` prints counts per folder instead, and
// arguments that are not flags limit it to these files and folders.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lineFinder, proseOf, wordsOf } from './read-prose.ts'

interface Phrase {
  /** Matched in prose in any case, as whole words; a space matches any white space, line breaks included. */
  find: string
  write: string
  /** Also found as words of identifiers (`mendPod`, `KnownClass`). */
  identifiers?: RegExp
}

const phrases: readonly Phrase[] = [
  {
    find: 'the field\'s|(?<!path )of the field(?! `| "| that)|in the field|(?:what|as|than|where|when) the field|the field (?:does|writes|expects|knows|accepts|leaves|has|had|then)',
    write: 'upstream, the ecosystem, or the name of the project',
  },
  { find: 'mend(?:s|ed|ing|able)?', write: 'fix or repair', identifiers: /^mend(s|ed|ing)?$/ },
  { find: 'anew|again and again', write: 'again', identifiers: /^anew$/ },
  {
    find: 'nobody|somebody|everybody|whoever|whomever',
    write: 'who it is: a pod, a user, the caller',
    identifiers: /^(no|some|every)body$|^whoever$/,
  },
  {
    find: '(?<!there )(?:is|are|was|were) no(?! longer| more| (?:better|worse|different)| \\d)',
    write: 'is not a …, or there is no …',
  },
  { find: '(?<!there )(?:is|are|was|were) none', write: 'is not a …, or there is no …' },
  { find: 'wish(?:es|ed)?', write: 'spec, or what is requested', identifiers: /^wish(es|ed)?$/ },
  {
    find: 'tells?|told|telling',
    write: 'report, reported, show, name, or send',
    identifiers: /^(tells?|told|telling)$/,
  },
  { find: 'says?|said|saying', write: 'print, report, describe, or state', identifiers: /^(says?|said)$/ },
  { find: 'settles?|settled|settling', write: 'wait, finish, complete, or resolve', identifiers: /^settles?$/ },
  { find: 'reviv(?:e[sd]?|ing)', write: 'restore', identifiers: /^reviv(e[sd]?|ing)$/ },
  { find: 'learn(?:s|ed|t|ing)?', write: 'read, receive, register, or find out', identifiers: /^learn(s|ed|t)?$/ },
  {
    find: '(?:what|who) (?:is|was|are|were) (?:kept|known|had)|(?:is|are|was|were|be|been) had|(?:is|are|becomes?) known of',
    write: 'what exactly: the recorded versions, the registered volumes',
  },
  {
    find: '(?<!under)(?:stands?|stood)(?! for| in for|-in|alone)|the one astray|astray|of before(?= |\\.|,|;|:|$)',
    write: 'the sentence again: where something is, what it was earlier',
  },
  {
    find: '(?:is|are|was|were|be|been) looked(?! up)|two looks|(?:a|first|last|next|every|each|one|this|second|more) look',
    write: 'check, read, retry, poll',
  },
  { find: 'made known|makes known', write: 'announce, register, or publish' },
]

/** What keeps a phrase, each with its reason. `path` is a file, or a folder that ends with a slash. */
const allowed: readonly { path: string; phrase: RegExp; why: string }[] = [
  { path: 'scripts/check-language.ts', phrase: /./, why: 'the list of phrases itself' },
  { path: 'src/packaging/image/platforms.ts', phrase: /^nobody$/, why: 'the user of that name in /etc/passwd' },
  { path: 'src/lab/cluster/kubelet/images.ts', phrase: /^nobody$/, why: 'the user of that name in /etc/passwd' },
  { path: 'src/product/notify/config.ts', phrase: /^settle$/, why: 'the flag --settle' },
  { path: 'src/product/webhook/notify-sidecar.ts', phrase: /^settle$/, why: 'the flag --settle' },
  { path: 'src/product/webhook/notify-sidecar.test.ts', phrase: /^settle$/, why: 'the flag --settle' },
  { path: 'docs/restart.md', phrase: /^settle$/, why: 'the flag --settle' },
]

interface Finding {
  path: string
  line: number
  phrase: string
  write: string
}

const root = join(import.meta.dirname, '..')
const patterns = phrases.map(({ find, write }) => ({
  pattern: new RegExp(`(?<![\\w-])(?:${find.replaceAll(' ', '\\s+')})(?!\\w)`, 'gi'),
  write,
}))

const used = new Set<(typeof allowed)[number]>()

const paths = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const findings = filesOf(paths).flatMap(findingsIn)
if (process.argv.includes('--report')) printReport()
else {
  const unused = paths.length > 0 ? [] : allowed.filter((one) => !used.has(one))
  for (const { path, line, phrase, write } of findings) console.error(`${path}:${line}: "${phrase}": write ${write}`)
  for (const { path, phrase } of unused) console.error(`${path}: the exception for ${phrase} is not used`)
  process.exitCode = findings.length + unused.length > 0 ? 1 : 0
}

/** The files of the repository that people write. */
function filesOf(within: readonly string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard', '--', ...within], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
  return listed
    .split('\0')
    .filter((path) => /(\.(m?ts|mjs|js|go|py|md|ya?ml|tpl|txt|json|sh|proto)|\/run|Dockerfile)$/.test(path))
    .filter((path) => !/(^|\/)(package-lock\.json|generated\/.*)$/.test(path))
}

function findingsIn(path: string): Finding[] {
  const text = readIfPresent(path)
  const code = /\.(m?ts|mjs|js)$/.test(path)
  const lineAt = lineFinder(text)
  const prose = (code ? proseOf(text) : [{ offset: 0, text }]).flatMap(({ offset, text: part }) =>
    inProse(part).map(({ index, phrase, write }) => ({ path, line: lineAt(offset + index), phrase, write })),
  )
  const identifiers = code
    ? wordsOf(text).flatMap(({ offset, word, identifier }) =>
        phrases
          .filter(({ identifiers: pattern }) => pattern?.test(word) === true)
          .map(({ write }) => ({ path, line: lineAt(offset), phrase: identifier, write })),
      )
    : []
  return [...prose, ...identifiers].filter(({ phrase }) => exceptionFor(path, phrase) === undefined)
}

function inProse(text: string): { index: number; phrase: string; write: string }[] {
  const joined = joinLines(text)
  return patterns.flatMap(({ pattern, write }) =>
    [...joined.matchAll(pattern)].map((match) => ({
      index: match.index,
      phrase: match[0].replaceAll(/\s+/g, ' '),
      write,
    })),
  )
}

/** Blanks out addresses and what starts a line of a comment, so that a phrase is found across lines. Offsets stay. */
function joinLines(text: string): string {
  const blank = (found: string) => ' '.repeat(found.length)
  return text.replaceAll(/https?:\/\/[^\s)>'"`]+/g, blank).replaceAll(/\n[ \t]*(?:\*(?!\*)|\/\/+|#+|>)?[ \t]*/g, blank)
}

/** Empty for a file that another process has just removed. */
function readIfPresent(path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return ''
  }
}

function exceptionFor(path: string, phrase: string) {
  const found = allowed.find(
    (one) => (one.path.endsWith('/') ? path.startsWith(one.path) : path === one.path) && one.phrase.test(phrase),
  )
  if (found !== undefined) used.add(found)
  return found
}

function printReport(): void {
  const folderOf = (path: string) => path.split('/').slice(0, -1).slice(0, 3).join('/') || '.'
  const folders = Map.groupBy(findings, ({ path }) => folderOf(path))
  for (const [folder, found] of [...folders].toSorted()) console.log(`${String(found.length).padStart(6)}  ${folder}`)
  console.log(`${String(findings.length).padStart(6)}  in all`)
}
