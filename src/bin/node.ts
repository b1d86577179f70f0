import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { nodeProgram, startNode } from '#product/node'

runMain(nodeProgram, (config, env) => runUntilSignal(() => startNode(config, env), createLog({ name: 'node' })))
