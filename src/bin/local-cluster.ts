import { flushCompileCache } from 'node:module'
import { runMain } from '#daemon'
import { localClusterProgram, startLocalCluster } from '#lab/cluster'
import { createLog, runUntilSignal } from '#lib'

/** Prints one line of JSON when the local cluster is ready. */
runMain(localClusterProgram, ({ logLevel, ...options }) => {
  const log = createLog({ name: 'local-cluster', level: logLevel })
  const start = async () => {
    const cluster = await startLocalCluster({ ...options, log })
    const { stop: _, ...facts } = cluster
    // For the program that is started next, which has files in common with this one.
    flushCompileCache()
    process.stdout.write(`${JSON.stringify({ ready: true, ...facts })}\n`)
    return cluster
  }
  return runUntilSignal(start, log)
})
