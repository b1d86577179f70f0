import type { TestContext } from 'node:test'
import { createHealthService, createUnary, HealthService, startGrpcServer } from '#kubernetes/grpc'
import { silentLog } from '#lib'

interface HealthOptions extends Pick<Parameters<typeof startGrpcServer>[2], 'sockets'> {
  /** Default: always. */
  isHealthy?: () => boolean
}

/** A gRPC server on a Unix socket that answers health checks only. It stops with the test. */
export async function startHealthServer(t: TestContext, path: string, options: HealthOptions = {}) {
  const { isHealthy = () => true, sockets } = options
  const health = createHealthService(createUnary({ log: silentLog }), isHealthy)
  const running = await startGrpcServer({ kind: 'unix', path }, (grpc) => grpc.addService(HealthService, health), {
    log: silentLog,
    sockets,
  })
  t.after(() => running.stop())
  return running
}
