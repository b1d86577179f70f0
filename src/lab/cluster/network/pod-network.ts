import type { Socket } from 'node:net'
import type { Routes } from '#lab/router'
import type { Running } from '#lib'

/** The network of one pod: its containers are started in it. */
export interface PodSandbox {
  readonly address: string
  /** Creates it. Rejects with `PodNetworkError`. */
  start(signal: AbortSignal): Promise<void>
  /** The words before a command that run it in this network. Only after {@link start}. */
  enter(): readonly string[]
  /** Removes it; the address may be given to another pod. */
  stop(): Promise<void>
}

/** The network of a cluster's pods, apart from that of the machine. */
export interface PodNetwork extends Running {
  /** Of pods with `hostNetwork`: one for all of them, with the address of the node. */
  sandbox(pod: { hostNetwork: boolean }): PodSandbox
  /** A connection to a pod. */
  connect(host: string, port: number): Promise<Socket>
  /** Where the API server listens on the machine, as `ADDRESS:PORT`. */
  setApiServer(endpoint: string): void
  /** Services and names, from now on. */
  setServices(services: Pick<Routes, 'services' | 'names'>): void
}
