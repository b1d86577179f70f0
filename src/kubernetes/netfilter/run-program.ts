import { spawn } from 'node:child_process'
import { errorCode } from '#lib'

export interface ProgramResult {
  /** Undefined when there is no such program. */
  status: number | undefined
  stdout: string
  stderr: string
}

/** Runs a program to its end with this text on its standard input. */
export type RunProgram = (program: string, words: readonly string[], input: string) => Promise<ProgramResult>

/** @param env the whole environment of the programs, beside the path on which they are looked for. */
export function createRunProgram(env: Readonly<Record<string, string>> = {}): RunProgram {
  const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env }
  return (program, words, input) =>
    new Promise<ProgramResult>((resolve, reject) => {
      const child = spawn(program, words, { env: environment, stdio: 'pipe' })
      const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)]
      child.on('error', (error) => {
        if (errorCode(error) === 'ENOENT') resolve({ status: undefined, stdout: '', stderr: '' })
        else reject(error)
      })
      child.on('close', (code, signal) =>
        resolve({
          status: code ?? 1,
          stdout: stdout(),
          stderr: signal === null ? stderr() : `ended by ${signal}`,
        }),
      )
      // A program that refuses its command line does not read.
      child.stdin.on('error', () => undefined).end(input)
    })
}

function textOf(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return () => text
}
