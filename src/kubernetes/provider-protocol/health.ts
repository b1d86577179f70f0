import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { type Client, type handleUnaryCall, Metadata, type ServiceDefinition } from '@grpc/grpc-js'

/** The states of `grpc.health.v1.HealthCheckResponse`. https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
export const ServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const
export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus]

export interface HealthCheckRequest {
  service: string
}

export interface HealthCheckResponse {
  status: ServingStatus
}

const check = {
  path: '/grpc.health.v1.Health/Check',
  requestStream: false,
  responseStream: false,
  requestSerialize: ({ service }: HealthCheckRequest): Buffer =>
    Buffer.from(service === '' ? [] : new BinaryWriter().uint32(10).string(service).finish()),
  requestDeserialize: (bytes: Buffer): HealthCheckRequest => ({ service: readService(bytes) }),
  responseSerialize: ({ status }: HealthCheckResponse): Buffer =>
    Buffer.from(new BinaryWriter().uint32(8).int32(status).finish()),
  responseDeserialize: (bytes: Buffer): HealthCheckResponse => ({ status: readStatus(bytes) }),
} as const

/** `Check` only: the field's provider does not support `Watch` either. */
export const healthService: ServiceDefinition<{ check: handleUnaryCall<HealthCheckRequest, HealthCheckResponse> }> = {
  check,
}

/** Asks the server behind `client` whether it serves; rejects when it does not answer in time. */
export function checkHealth(client: Client, options: { timeoutMs: number }): Promise<HealthCheckResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      check.path,
      check.requestSerialize,
      check.responseDeserialize,
      { service: '' },
      new Metadata(),
      { deadline: Date.now() + options.timeoutMs },
      (error, response) => (error === null && response !== undefined ? resolve(response) : reject(error)),
    )
  })
}

function readService(bytes: Buffer): string {
  const reader = new BinaryReader(bytes)
  let service = ''
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === 10) service = reader.string()
    else reader.skip(tag & 7)
  }
  return service
}

function readStatus(bytes: Buffer): ServingStatus {
  const reader = new BinaryReader(bytes)
  let status: number = ServingStatus.UNKNOWN
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === 8) status = reader.int32()
    else reader.skip(tag & 7)
  }
  return status as ServingStatus
}
