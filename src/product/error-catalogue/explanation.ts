import type { status as Code } from '@grpc/grpc-js'

/** Name of a gRPC status code, in the spelling of the protocol. */
export type GrpcCodeName = keyof typeof Code

/** What a code means. */
export interface Explanation {
  meaning: string
  /** What to do, with the command where there is one. Commands and names of fields are in backticks. */
  fix: string
  /** Whether the vault or Entra could not answer; see {@link isOutage}. */
  outage?: true
}

export interface CatalogueEntry extends Explanation {
  /** Status of the gRPC answer. */
  grpc: GrpcCodeName
}
