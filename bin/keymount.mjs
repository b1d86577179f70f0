#!/usr/bin/env node
import { join } from 'node:path'
import { packageRoot, run } from './run.mjs'

await run(join(packageRoot, 'src/bin/cli.ts'), process.argv.slice(2))
