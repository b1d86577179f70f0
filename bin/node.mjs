#!/usr/bin/env node
// Runs a TypeScript file of this package with the package's own Node: `node bin/node.mjs scripts/check.ts`.
import { run } from './run.mjs'

const [file, ...args] = process.argv.slice(2)
await run(file, args)
