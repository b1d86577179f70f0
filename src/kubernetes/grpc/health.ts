import { credentials, Metadata } from '@grpc/grpc-js'
import {
  HealthClient,
  type HealthServer,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from './generated/health.ts'
import type { Unary } from './unary.ts'

/**
 * gRPC's health service, `Check` alone. The answer is the same for every name of a service.
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function createHealthService(unary: Unary, isServing: () => boolean): HealthServer {
  return {
    check: unary('/grpc.health.v1.Health/Check', () => ({
      status: isServing() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING,
    })),
  }
}

/**
 * Asks the server at a gRPC address for its health; rejects with grpc-js's ServiceError when it does not answer in time.
 * Over a new connection each time: an open one outlives the removal of the socket file, which new clients would not find.
 */
export async function checkHealth(address: string, { timeoutMs }: { timeoutMs: number }): Promise<ServingStatus> {
  const client = new HealthClient(address, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.use_local_subchannel_pool': 1,
  })
  try {
    const deadline = Date.now() + timeoutMs
    return await new Promise((resolve, reject) => {
      client.check({ service: '' }, new Metadata(), { deadline }, (error, response) =>
        error === null ? resolve(response.status) : reject(error),
      )
    })
  } finally {
    client.close()
  }
}
