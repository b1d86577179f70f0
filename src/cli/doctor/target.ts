import { CliError } from '#terminal'

/** What is examined. */
export interface Target {
  kind: TargetKind
  /** Empty for the whole cluster. */
  name: string
}

export type TargetKind =
  | 'pod'
  | 'deployment'
  | 'statefulset'
  | 'daemonset'
  | 'class'
  | 'secretsync'
  | 'node'
  | 'cluster'

/** As kubectl abbreviates them. */
const kinds: Readonly<Record<string, TargetKind>> = {
  pod: 'pod',
  pods: 'pod',
  po: 'pod',
  deployment: 'deployment',
  deployments: 'deployment',
  deploy: 'deployment',
  statefulset: 'statefulset',
  statefulsets: 'statefulset',
  sts: 'statefulset',
  daemonset: 'daemonset',
  daemonsets: 'daemonset',
  ds: 'daemonset',
  class: 'class',
  secretproviderclass: 'class',
  spc: 'class',
  secretsync: 'secretsync',
  secretsyncs: 'secretsync',
  node: 'node',
  nodes: 'node',
  no: 'node',
}

/** `pod/NAME`, `deployment/NAME`, …; a name alone is a pod's. `cluster`, or nothing: the whole cluster. Throws {@link CliError}. */
export function parseTarget(text: string | undefined): Target {
  // A pod of this name is `pod/cluster`.
  if (text === undefined || text === 'cluster') return { kind: 'cluster', name: '' }
  const slash = text.indexOf('/')
  const kind = slash < 0 ? 'pod' : kinds[text.slice(0, slash).toLowerCase()]
  const name = text.slice(slash + 1)
  if (kind !== undefined && /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return { kind, name }
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
  throw new CliError({
    what: `${shown} is not a target`,
    fix: [
      'name one: pod/NAME, deployment/NAME, statefulset/NAME, daemonset/NAME, class/NAME, secretsync/NAME, node/NAME, cluster',
    ],
    code: 'usage',
  })
}
