import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { SecretValue } from '#lib'
import { functionNames, templateFunctions } from './functions.ts'
import { parseTemplate } from './parse-template.ts'
import { renderTemplate } from './render-template.ts'
import { TemplateError } from './template-error.ts'
import { templateFiles } from './template-files.ts'
import { templateNames } from './template-names.ts'
import { TemplateValue } from './template-value.ts'

const secret = 'hunter2-SECRET'
const contents = {
  'db-url': 'jdbc:x',
  'db-password': secret,
  db_password2: 'b',
  'db.password2': 'c',
  json: `{"password":"${secret}","list":[1,2],"none":null}`,
  broken: `{"password":"${secret}`,
  pin: '4711',
  named: ' db-url\n',
}
const files = templateFiles(
  new Map(Object.entries(contents).map(([name, text]) => [name, SecretValue.of(text)])),
  new Map([['app', ['db-url', 'db-password']]]),
)

function render(template: string): string {
  return renderTemplate(parseTemplate(template), files).contents.revealText()
}

function failure(template: string): TemplateError {
  try {
    render(template)
  } catch (error) {
    assert.ok(error instanceof TemplateError, inspect(error))
    return error
  }
  assert.fail(`no error: ${template}`)
}

const failures: readonly [template: string, code: string, line: number, words: RegExp][] = [
  ['a\nb {{ .absent }}', 'template-failed', 2, /there is no "absent"/],
  ['{{ .db_pasword }}', 'template-failed', 1, /did you mean db_password/],
  ['{{ .broken | fromJson | json }}', 'template-failed', 1, /fromJson: the value is not JSON/],
  ['{{ .json | jsonPath "$.nothing" }}', 'template-failed', 1, /there is no "\$\.nothing"/],
  ['{{ .json | jsonPath "$.none" }}', 'template-failed', 1, /null/],
  ['{{ .db_password | b64dec }}', 'template-failed', 1, /not base64/],
  ['{{ .db_password | pemKey }}', 'template-failed', 1, /no PEM block/],
  ['{{ .db_password.x }}', 'template-failed', 1, /no members/],
  ['{{ range .db_password }}{{ end }}', 'template-failed', 1, /a range goes over a set/],
  ['{{ fromJson .json }}', 'template-failed', 1, /several values/],
  ['{{ . }}', 'template-failed', 1, /several values/],
  ['{{ selected "ap" | json }}', 'template-failed', 1, /no select with name: ap; did you mean app/],
  ['{{ .db_password | quote "xml" }}', 'template-failed', 1, /properties, shell, json, yaml, toml/],
  ['{{ .db_url | indent 65 }}', 'template-failed', 1, /from 0 to 64/],
  ['{{ .db_url', 'template-invalid', 1, /expected }}/],
  ['{{ if .db_url }}', 'template-invalid', 1, /expected {{ end }}/],
  ['{{ range .db_url }}{{ else }}', 'template-invalid', 1, /expected {{ end }}/],
  ['{{ if .a }}{{ else }}{{ else }}{{ end }}', 'template-invalid', 1, /else already/],
  ['x\n\n  {{ end }}', 'template-invalid', 3, /without an if/],
  ['{{ nothing }}', 'template-invalid', 1, /there is no function "nothing"/],
  ['{{ .a | uper }}', 'template-invalid', 1, /did you mean upper/],
  ['{{ .a | .b }}', 'template-invalid', 1, /expected a function/],
  ['{{ .a .b }}', 'template-invalid', 1, /only functions take values/],
  ['{{ .a | quote }}', 'template-invalid', 1, /quote is used as/],
  ['{{ $v }}', 'template-invalid', 1, /no variable \$v/],
  ['{{ range $v := .a }}{{ end }}{{ $v }}', 'template-invalid', 1, /no variable \$v/],
  ['{{ with .a }}{{ end }}', 'template-invalid', 1, /with is not supported/],
  ['{{ "open }}', 'template-invalid', 1, /expected "/],
  ['{{ "\\x41" }}', 'template-invalid', 1, /expected one of/],
  ['{{/* open }}', 'template-invalid', 1, /expected \*\/}}/],
  ['{{ $x := .a }}', 'template-invalid', 1, /no variable \$x/],
  ['{{}}', 'template-invalid', 1, /expected a value/],
]

for (const [template, code, line, words] of failures) {
  test(`${JSON.stringify(template)} is refused with its line, and without a value`, () => {
    const error = failure(template)
    assert.equal(error.code, code)
    assert.equal(error.position.line, line)
    assert.match(error.message, words)
    assert.doesNotMatch(error.message, /hunter2/)
  })
}

const computed: readonly [template: string, words: RegExp][] = [
  ['{{ index .db_password }}', /^line 1, column 1: there is nothing with the name that was computed \(for/],
  ['{{ selected .db_password | json }}', /^line 1, column 4: the class has no select with the name that was computed$/],
  ['{{ .json | jsonPath .db_password }}', /nothing with the name that was computed/],
  ['{{ .json | jsonPath (.json | jsonPath "$.password") }}', /nothing with the name that was computed/],
  ['{{ index (.json | fromJson) .db_password }}', /nothing with the name that was computed/],
  ['{{ index (.json | fromJson) .db_password "x" }}', /nothing with the name that was computed/],
  ['{{ index (selected "app") .db_password }}', /nothing with the name that was computed/],
  ['{{ index $ .db_password }}', /nothing with the name that was computed/],
  ['{{ index (.json | fromJson).list (.pin | fromJson) }}', /nothing with the name that was computed/],
  ['{{ range $k, $v := fromJson .json }}{{ index $k }}{{ end }}', /nothing with the name that was computed/],
  ['{{ index ("db-passwor" | lower) }}', /nothing with the name that was computed/],
  ['{{ index ("" | default .db_password) }}', /nothing with the name that was computed/],
  ['{{ index (.absent | default "db-passwor") }}', /there is no "db-passwor"; did you mean db-password\?/],
  ['{{ index (.json | fromJson).list 7 }}', /there is no "7"/],
]

for (const [template, words] of computed) {
  test(`${template} is refused, and a name is quoted only when the template has it`, () => {
    const { message } = failure(template)
    assert.match(message, words)
    assert.doesNotMatch(message, /hunter2|4711/)
  })
}

test('a name that was computed is among what was used only when it is of a file', () => {
  const { used } = renderTemplate(
    parseTemplate('{{ if index .db_password }}{{ end }}{{ if index $ (.named | trim) }}{{ end }}'),
    files,
  )
  assert.deepEqual(used, ['db-password', 'db-url', 'named'])
})

/** A call with about as many operands as the function takes, `given` of them by the pipe. */
function callOf(operand: fc.Arbitrary<string>, given: number): fc.Arbitrary<string> {
  return fc.constantFrom(...functionNames).chain((name) => {
    const { least, most } = templateFunctions[name]
    return fc
      .array(operand, { minLength: Math.max(0, least - given), maxLength: Math.min(3, most) - given })
      .map((operands) => [name, ...operands].join(' '))
  })
}

test('no error of a random template quotes a value, nor what a function made of one', () => {
  const planted = 'qzxj'
  const values = {
    word: `${planted}-word`,
    pin: '47114711',
    doc: `{"${planted}-key":"${planted}-value","list":["${planted}-item",47114711],"none":null,"deep":{"in":"${planted}"}}`,
    broken: `{"${planted}`,
    encoded: Buffer.from(planted).toString('base64'),
    pem: `-----BEGIN ${planted.toUpperCase()}-----\n${planted}`,
  }
  const all = templateFiles(
    new Map(Object.entries(values).map(([name, text]) => [name, SecretValue.of(text)])),
    new Map([['set', ['word', 'doc']]]),
  )
  const names = [...Object.keys(values), 'absent', 'set', '$.list', '$.none', '$.list[9]', 'xml', 'json']
  const { template } = fc.letrec<{
    operand: string
    call: string
    piped: string
    pipeline: string
    node: string
    template: string
  }>((tie) => ({
    operand: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...Object.keys(values), 'absent', 'deep', 'list').map((name) => `$.${name}`),
      fc.constantFrom('.', '$', '$v', '$k', '$v.in', '.list', '$.doc.in', '7', '0', 'true'),
      fc.constantFrom(...names).map((name) => JSON.stringify(name)),
      fc
        .tuple(tie('pipeline'), fc.constantFrom('', '.list', '.deep', '.absent'))
        .map(([inner, field]) => `(${inner})${field}`),
    ),
    call: callOf(tie('operand'), 0),
    piped: callOf(tie('operand'), 1),
    pipeline: fc
      .tuple(fc.oneof(tie('operand'), tie('call')), fc.array(tie('piped'), { maxLength: 2 }))
      .map(([first, rest]) => [first, ...rest].join(' | ')),
    node: fc.oneof(
      tie('pipeline').map((pipeline) => `{{ ${pipeline} }}`),
      tie('pipeline').map((pipeline) => `{{ if ${pipeline} }}x{{ end }}`),
    ),
    template: fc
      .tuple(
        fc.constantFrom('fromJson $.doc', '(fromJson $.doc).list', 'selected "set"'),
        fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
      )
      .map(([over, nodes]) => `{{ range $k, $v := ${over} }}${nodes.join('')}{{ end }}`),
  }))
  let failed = 0
  fc.assert(
    fc.property(template, (text) => {
      try {
        renderTemplate(parseTemplate(text), all)
      } catch (error) {
        assert.ok(error instanceof TemplateError, inspect(error))
        if (error.code === 'template-failed') failed++
        assert.doesNotMatch(inspect(error).split('\n    at ')[0] ?? '', /qzxj|cXp4|4711/i)
      }
    }),
    { numRuns: 3000 },
  )
  assert.ok(failed > 300, `only ${failed} templates were refused while they were filled in`)
})

test('a field that several files can be is refused with the exact names, and one that is a name itself is not', () => {
  assert.equal(render('{{ .db_password2 }}'), 'b')
  const twins = templateFiles(new Map([...['a-b', 'a.b']].map((name) => [name, SecretValue.of(name)])), new Map())
  assert.throws(() => renderTemplate(parseTemplate('{{ .a_b }}'), twins), /index "a-b" or index "a\.b"/)
})

test('what was used has the files that were read, those of sets, and those that were asked for in vain', () => {
  const { used } = renderTemplate(
    parseTemplate('{{ if .absent }}{{ end }}{{ .json }}{{ selected "app" | json }}'),
    files,
  )
  assert.deepEqual(used, ['absent', 'db-password', 'db-url', 'json'])
})

test('bytes that are not UTF-8 pass through, and their base64 is that of the bytes', () => {
  const bytes = Buffer.from([0, 0xff, 0xc3, 0x28, 0x80])
  const binary = templateFiles(new Map([['f', SecretValue.of(bytes)]]), new Map())
  const all = (template: string) => Buffer.from(renderTemplate(parseTemplate(template), binary).contents.reveal())
  assert.deepEqual(all('{{ .f }}'), bytes)
  assert.equal(all('{{ .f | b64enc }}').toString(), bytes.toString('base64'))
})

test('a value prints as redacted', () => {
  for (const value of [TemplateValue.ofText(secret), TemplateValue.ofMap([[secret, TemplateValue.ofText(secret)]])])
    assert.doesNotMatch(`${value} ${JSON.stringify({ value })} ${inspect({ value }, { depth: 9 })}`, /hunter2/)
})

test('quote gives texts that the formats read back', () => {
  assert.equal(
    render('{{ "a=b:c#d!e\\\\f\\tg\\nh é" | quote "properties" }}'),
    'a\\=b\\:c\\#d\\!e\\\\f\\tg\\nh \\u00E9',
  )
  assert.equal(render('{{ "  x" | quote "properties" }}'), '\\  x')
  assert.equal(render('{{ "a\\"b\\\\c\\n\\u0001é" | quote "toml" }}'), '"a\\"b\\\\c\\n\\u0001é"')
})

test('yaml writes texts in quotes, numbers as they are, and members in order', () => {
  const json = '{"b":{"x":[]},"a":["yes",1.50,null,{"k":true}],"no":"n","empty":{}}'
  const one = templateFiles(new Map([['j', SecretValue.of(json)]]), new Map())
  const { contents: text } = renderTemplate(parseTemplate('{{ .j | fromJson | yaml }}'), one)
  const expected = [
    'a:',
    '  - "yes"',
    '  - 1.50',
    '  - null',
    '  -',
    '    k: true',
    'b:',
    '  x: []',
    'empty: {}',
    '"no": "n"',
  ]
  assert.equal(text.revealText(), expected.join('\n'))
})

const costly: readonly [what: string, template: string][] = [
  ['nested ranges', `${'{{ range $a := fromJson $.list }}'.repeat(8)}x${'{{ end }}'.repeat(8)}`],
  ['one function many times over', `{{ .big ${'| b64enc '.repeat(200)} }}`],
  ['lines that grow', `{{ .lines ${'| indent 64 '.repeat(50)} }}`],
  [
    'a long text in a range',
    '{{ range $a := fromJson .list }}{{ range $b := fromJson $.list }}{{ $.big }}{{ end }}{{ end }}',
  ],
  ['a set in a range', '{{ range $a := fromJson .list }}{{ range $b := selected "all" }}{{ $b }}{{ end }}{{ end }}'],
  ['JSON of many values', '{{ .deep | fromJson | json }}'],
]

test('a template that takes too many steps or writes too much ends with template-failed', () => {
  const texts = {
    list: JSON.stringify(Array.from({ length: 100 }, (_, index) => index)),
    big: 'x'.repeat(25_000),
    lines: '\n'.repeat(25_000),
    deep: `[${'0,'.repeat(20_000)}0]`,
  }
  const many = templateFiles(
    new Map(Object.entries(texts).map(([name, text]) => [name, SecretValue.of(text)])),
    new Map([['all', Object.keys(texts)]]),
  )
  for (const [what, template] of costly) {
    assert.throws(
      () => renderTemplate(parseTemplate(template), many),
      (error) =>
        error instanceof TemplateError && error.code === 'template-failed' && /more than the/.test(error.message),
      what,
    )
  }
})

test('the bytes of literals, conditions, files and numbers count as steps', () => {
  const kib = 20
  const text = 'x'.repeat(kib * 1024)
  const one = templateFiles(
    new Map([
      ['text', SecretValue.of(text)],
      ['digits', SecretValue.of(`[${'1'.repeat(kib * 1024)}]`)],
    ]),
    new Map(),
  )
  const steps = (template: string) => renderTemplate(parseTemplate(template), one).steps
  const rows: readonly [template: string, without: string][] = [
    [`{{ if "${text}" }}{{ end }}`, '{{ if "" }}{{ end }}'],
    [`{{ if "x" | default "${text}" }}{{ end }}`, '{{ if "x" | default "" }}{{ end }}'],
    ['{{ if .text }}{{ end }}', '{{ if .absent }}{{ end }}'],
    ['{{ if index "text" }}{{ end }}', '{{ if index "absent" }}{{ end }}'],
    [
      '{{ range fromJson .digits }}{{ if . }}{{ end }}{{ end }}',
      '{{ range fromJson .digits }}{{ if "" }}{{ end }}{{ end }}',
    ],
    [
      '{{ range $d := fromJson .digits }}{{ if index (fromJson $.digits) $d }}{{ end }}{{ end }}',
      '{{ range $d := fromJson .digits }}{{ if index (fromJson $.digits) 7 }}{{ end }}{{ end }}',
    ],
  ]
  for (const [template, without] of rows) assert.ok(steps(template) - steps(without) > kib - 1, template.slice(0, 80))
})

test('a long literal in a range ends the template, and a name of any length is refused before it is decoded', () => {
  const long = 'é'.repeat(100 * 1024)
  const loop = (inside: string) => `{{ range fromJson "[${'1,'.repeat(2399)}1]" }}${inside}{{ end }}`
  assert.match(failure(loop(`{{ if "${long}" }}{{ end }}`)).message, /more than the 10,000 steps/)
  assert.match(failure(loop(`{{ if index "${long}" }}{{ end }}`)).message, /expected a name of at most 4096 bytes/)
  assert.match(failure(`{{ selected "${long}" | json }}`).message, /expected a name of at most 4096 bytes/)
})

test('a template that nests too deep or has too many actions is refused', () => {
  assert.match(failure('{{ if .a }}'.repeat(40)).message, /nesting of blocks/)
  assert.match(failure(`{{ ${'('.repeat(40)} }}`).message, /nesting of blocks/)
  assert.match(failure('{{ .a }}'.repeat(5001)).message, /words, symbols and texts/)
})

test('the names that a template asks for have their places, and whether it works without them', () => {
  const text =
    '{{ .a }}\n{{ .b | default "x" }}{{ if .c }}{{ $.d }}{{ end }}\n {{ range selected "s" }}{{ .e }}{{ end }}{{ index "f" }}'
  const names = templateNames(parseTemplate(text)).map(
    ({ kind, name, optional, position: { line, column } }) => `${kind} ${name} ${optional} ${line}:${column}`,
  )
  assert.deepEqual(names, [
    'field a false 1:4',
    'field b true 2:4',
    'field c true 2:29',
    'field d true 2:37',
    'set s false 3:20',
    'file f false 3:52',
  ])
})

test('a text without actions is itself, and json of any text is what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      fc.pre(!text.includes('{{'))
      assert.equal(render(text), text)
      const one = templateFiles(new Map([['f', SecretValue.of(text)]]), new Map())
      const { contents: json } = renderTemplate(parseTemplate('{{ .f | json }}'), one)
      assert.equal(JSON.parse(json.revealText()), text)
    }),
  )
})
