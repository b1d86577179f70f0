// Writes every generated page and schema: `npm run generate`. A test fails when one is out of date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generatedFiles } from './pages/index.ts'

for (const [path, render] of Object.entries(generatedFiles)) {
  const file = join(import.meta.dirname, '..', path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, await render())
  console.log(path)
}
