/**
 * kubernetes/grpc: the gRPC server of the driver and the provider: one wrapper around a call (log line, count, cancellation, errors as
 * statuses), one way to listen and to drain, and gRPC's health service. It knows no protocol but health.
 */
export {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthService,
} from './generated/health.ts'
export * from './grpc-server.ts'
export * from './health.ts'
export * from './rpc-error.ts'
export * from './unary.ts'
