import { stripVTControlCharacters, styleText } from 'node:util'

export type Style = Record<'good' | 'bad' | 'dim' | 'strong' | 'command', (text: string) => string>

/** Paints text for a terminal. Without colour, escape sequences in the text are removed too: part of it may come from a server. */
export function createStyle(colour: boolean): Style {
  const painted = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : stripVTControlCharacters(text)
  return {
    good: painted('green'),
    bad: painted('red'),
    dim: painted('dim'),
    strong: painted('bold'),
    command: painted('cyan'),
  }
}
