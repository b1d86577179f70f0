import { freePorts } from '../../src/lab/home/processes/ports.ts'

/** A free port of loopback. The kernel gives it neither to an outgoing connection nor to a server that takes any port. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}
