import type { LintFinding } from '#azure/lint'
import { renderedSuffix } from './render.ts'

const commands = { error: 'error', warning: 'warning', info: 'notice' } as const

/**
 * Findings as workflow commands, which GitHub shows beside the lines of a pull request.
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
export function* githubLines(findings: readonly LintFinding[]): Generator<string> {
  for (const { severity, file, line, column, id, message, right } of findings) {
    const isRendered = file.endsWith(renderedSuffix)
    const name = isRendered ? file.slice(0, -renderedSuffix.length) : file
    const place = isRendered ? '' : `,line=${line},col=${column}`
    const text = `${message}${isRendered ? ` (line ${line} of the rendered manifest)` : ''}${right === '' ? '' : `\nexpected: ${right}`}`
    yield `::${commands[severity]} file=${property(name)}${place},title=${id}::${data(text)}`
  }
}

/** A text of the command: a line end would begin another command. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
