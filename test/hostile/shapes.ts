/** Texts of about `size` characters that cost a careless parser more than their length. */
export const hostileShapes: Readonly<Record<string, (size: number) => string>> = {
  'one letter': (size) => 'a'.repeat(size),
  slashes: (size) => '/'.repeat(size),
  blanks: (size) => ' '.repeat(size),
  'line feeds': (size) => '\n'.repeat(size),
  digits: (size) => '9'.repeat(size),
  quotes: (size) => '"'.repeat(size),
  'escaped quotes': (size) => `"${'\\"'.repeat(size / 2)}"`,
  'open brackets': (size) => '['.repeat(size),
  'open braces of objects': (size) => '{"a":'.repeat(size / 5),
  'nested lists': (size) => `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
  'JSON with many keys': (size) => `{${range(size / 12, (i) => `"k${i}":1`).join(',')}}`,
  'JSON with one key many times': (size) => `{${range(size / 8, () => '"key":1').join(',')}}`,
  'JSON with prototype keys': (size) => `{${range(size / 16, () => '"__proto__":{}').join(',')}}`,
  'YAML with many keys': (size) => range(size / 10, (i) => `key${i}: 1\n`).join(''),
  'YAML with many items': (size) => `array:\n${'- |\n  objectName: a\n'.repeat(size / 20)}`,
  'YAML with aliases': (size) => `a: &a [x]\nb: [${'*a,'.repeat(size / 3)}]\n`,
  'YAML in deep flow': (size) => '{a: '.repeat(size / 4),
  'PEM beginnings': (size) => '-----BEGIN CERTIFICATE-----\n'.repeat(size / 28),
  'PEM ends': (size) => '-----END CERTIFICATE-----\n'.repeat(size / 26),
  'query parameters': (size) => 'a=b&'.repeat(size / 4),
  'percent signs': (size) => '%25'.repeat(size / 3),
  dots: (size) => '$.a'.padEnd(size, '.a'),
  'list of numbers': (size) => '1,'.repeat(size / 2),
  'half of a surrogate pair': (size) => '\ud800'.repeat(size),
  'template actions': (size) => '{{ .a }}'.repeat(size / 8),
  'template blocks': (size) => '{{ if .a }}{{ end }}'.repeat(size / 20),
  'open template blocks': (size) => '{{ if .a }}'.repeat(size / 11),
  'template braces': (size) => '{{'.repeat(size / 2),
  'template parentheses': (size) => `{{ ${'('.repeat(size)}`,
  'a long pipeline': (size) => `{{ .a ${'| trim '.repeat(size / 7)} }}`,
  'fields of fields': (size) => `{{ ${'.a'.repeat(size / 2)} }}`,
  'zero bytes': (size) => '\0'.repeat(size),
}

function range<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: Math.floor(count) }, (_, index) => make(index))
}
