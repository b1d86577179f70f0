import { readFileSync } from 'node:fs'
import type { Container, Pod } from '#kubernetes/client'
import { PodConfigError } from './pod-fields.ts'

/** What this machine lets the node agent give to a container. */
export interface IdentityLimits {
  /** False in a user namespace that maps only some users. */
  hasUser(id: number): boolean
  hasGroup(id: number): boolean
  /** The machine's own root, and no user namespace. */
  initialNamespace: boolean
  /** Supplementary groups may be set; forbidden in a user namespace made without privileges. */
  maySetGroups: boolean
}

const allIds = 4_294_967_295

export function readIdentityLimits(): IdentityLimits {
  const mapped = (file: string) => {
    const ranges = readFileSync(file, 'utf8').trim().split('\n')
    return (id: number) =>
      ranges.some((range) => {
        const [first = 0, , length = 0] = range.trim().split(/\s+/).map(Number)
        return id >= first && id < first + length
      })
  }
  const hasUser = mapped('/proc/self/uid_map')
  return {
    hasUser,
    initialNamespace: hasUser(allIds - 1),
    hasGroup: mapped('/proc/self/gid_map'),
    maySetGroups: readFileSync('/proc/self/setgroups', 'utf8').trim() === 'allow',
  }
}

/** What container runtimes leave to root. https://github.com/containerd/containerd/blob/main/pkg/oci/spec.go */
const defaultCapabilities = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]

export interface Credentials {
  /** Arguments of setpriv(1). */
  arguments: string[]
  /** What was asked for and cannot be given here, for people. */
  refused: string[]
}

/** The user, groups and capabilities of a container's processes. Throws {@link PodConfigError} for root where it must not be. */
export function credentialsOf(pod: Pod, container: Container, limits: IdentityLimits): Credentials {
  const own = container.securityContext ?? {}
  const shared = pod.spec.securityContext ?? {}
  const wanted = own.runAsUser ?? shared.runAsUser ?? 0
  if ((own.runAsNonRoot ?? shared.runAsNonRoot) === true && wanted === 0)
    throw new PodConfigError('container has runAsNonRoot and image will run as root')
  const refused: string[] = []
  const allowed = (what: string, id: number, has: (id: number) => boolean) => {
    if (has(id)) return id
    refused.push(`${what} ${id} is not mapped in this user namespace, runs as 0`)
    return 0
  }
  const user = allowed('runAsUser', wanted, limits.hasUser)
  const group = allowed('runAsGroup', own.runAsGroup ?? shared.runAsGroup ?? 0, limits.hasGroup)
  const fsGroup = shared.fsGroup
  let groups = fsGroup === undefined ? '--clear-groups' : `--groups=${fsGroup}`
  if (!limits.maySetGroups) groups = '--keep-groups'
  const privileged = own.privileged === true
  return {
    refused,
    arguments: [
      '--pdeathsig=KILL',
      `--reuid=${user}`,
      `--regid=${group}`,
      groups,
      ...(privileged ? [] : ['--inh-caps=-all', `--bounding-set=${boundingSet(own.capabilities)}`]),
      ...(own.allowPrivilegeEscalation === false && !privileged ? ['--no-new-privs'] : []),
    ],
  }
}

function boundingSet({ add = [], drop = [] }: { add?: string[]; drop?: string[] } = {}): string {
  const name = (text: string) => text.toUpperCase().replace(/^CAP_/, '')
  const dropped = new Set(drop.map(name))
  const kept = new Set(dropped.has('ALL') ? [] : defaultCapabilities.filter((capability) => !dropped.has(capability)))
  for (const capability of add.map(name)) kept.add(capability)
  if (kept.has('ALL')) return '+all'
  return ['-all', ...[...kept].map((capability) => `+${capability.toLowerCase()}`)].join(',')
}
