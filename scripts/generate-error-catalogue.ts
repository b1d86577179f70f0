/** Writes docs/errors.md from the provider's catalogue: `node bin/node.mjs scripts/generate-error-catalogue.ts`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderErrorCatalogue } from './render-error-catalogue.ts'

writeFileSync(join(import.meta.dirname, '../docs/errors.md'), renderErrorCatalogue())
