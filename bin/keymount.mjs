#!/usr/bin/env node
import { join } from 'node:path'
import { packageRoot, runNode } from './run.mjs'

runNode([join(packageRoot, 'src/bin/cli.ts'), ...process.argv.slice(2)])
