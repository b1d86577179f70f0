#!/usr/bin/env node
// Runs a TypeScript file of this package with the package's own Node: `node bin/node.mjs scripts/check.ts`.
import { runNode } from './run.mjs'

runNode(process.argv.slice(2))
