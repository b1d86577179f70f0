import fc from 'fast-check'

/** One of the words of a text, which blanks separate. */
export function wordOf(words: string): fc.Arbitrary<string> {
  return fc.constantFrom(...words.split(' '))
}

/** Any text that is made of these pieces. */
export function textOf(piece: fc.Arbitrary<string>, constraints: fc.ArrayConstraints = {}): fc.Arbitrary<string> {
  return fc.array(piece, constraints).map((pieces) => pieces.join(''))
}
