/** Numbers of linux/capability.h. https://man7.org/linux/man-pages/man7/capabilities.7.html */
const numbers = { NET_ADMIN: 12, NET_RAW: 13 } as const

export type Capability = keyof typeof numbers

/** Whether a process has a capability, by the text of its /proc/PID/status. */
export function holdsCapability(status: string, capability: Capability): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(numbers[capability])) & 1n) === 1n
}
