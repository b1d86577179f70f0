// Writes deploy/ from the chart. A test fails when it is out of date.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { helm, renderManifests } from './render-manifests.ts'

if (helm === undefined) {
  process.stderr.write('keymount: helm not found: put it on the PATH or name it in KEYMOUNT_HELM\n')
  process.exit(1)
}
const directory = join(import.meta.dirname, '../deploy')
for (const [name, text] of Object.entries(await renderManifests())) {
  writeFileSync(join(directory, name), text)
  console.log(`deploy/${name}`)
}
