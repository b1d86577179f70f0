import type { Row, Rows, ViewName } from '../../status/rows.ts'
import { shortAge } from '../../status/short-age.ts'

/** A place in the page: another view, with a filter. */
export interface Link {
  view: ViewName
  filter: string
  text: string
}

/** What the details of a row show, in this order. Texts only: they come from the cluster. */
export interface Facts {
  title: string
  sub: string
  message: string | null
  facts: readonly (readonly [name: string, value: string | Link])[]
  lists: readonly { title: string; items: readonly { left: string; right: string }[]; more: number }[]
  fix: readonly string[]
  rotate?: { namespace: string; name: string }
  doctor?: { namespace: string; target: string }
  node?: string
}

export function factsOf(view: ViewName, row: Row, nowMs: number): Facts {
  const makers: { [V in ViewName]: (row: Rows[V][number], nowMs: number) => Facts } = {
    volumes: ofVolume,
    objects: ofObject,
    classes: ofClass,
    secrets: ofSecret,
    nodes: ofNode,
    problems: ofProblem,
    events: ofEvent,
  }
  return (makers[view] as (row: Row, nowMs: number) => Facts)(row, nowMs)
}

function at(time: string | null, nowMs: number): string {
  if (time === null) return '–'
  const age = shortAge(time, nowMs)
  return `${age}${age.startsWith('in ') || age === '' ? '' : ' ago'} · ${time}`
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function classLink(namespace: string, name: string): Link {
  return { view: 'classes', filter: `ns=${namespace} class=${name}`, text: name }
}

function ofVolume(row: Row<'volumes'>, nowMs: number): Facts {
  const agreement = {
    true: ' · the same in all pods of the workload',
    false: ' · other pods of the workload differ',
    null: '',
  }
  return {
    title: row.pod,
    sub: `${row.namespace} · ${row.workload}`,
    message: row.message,
    facts: [
      ['Class', classLink(row.namespace, row.class)],
      ['Node', row.node === '' ? '–' : { view: 'nodes', filter: `node=${row.node}`, text: row.node }],
      ['Code', row.code ?? '–'],
      ['Since', at(row.since, nowMs)],
      ['Version', `${row.version ?? '–'}${agreement[`${row.agrees}`]}`],
      ['Last check', at(row.lastCheck, nowMs)],
      ['Next check', at(row.nextCheck, nowMs)],
      ['Last change', at(row.lastChange, nowMs)],
      ['Mounted', at(row.created, nowMs)],
      ['Events', { view: 'events', filter: `ns=${row.namespace} object=pod/${row.pod}`, text: 'of this pod' }],
    ],
    lists: [
      {
        title: countOf(row.objectCount, 'object'),
        items: row.objects.map(({ id, version }) => ({ left: id, right: version })),
        more: row.objectCount - row.objects.length,
      },
    ],
    fix: row.fix,
    rotate: { namespace: row.namespace, name: row.class },
    doctor: { namespace: row.namespace, target: `pod/${row.pod}` },
  }
}

const objectMessages: Readonly<Partial<Record<Row<'objects'>['state'], string>>> = {
  mixed: 'Pods have different versions: a rotation is under way, or fails somewhere.',
  behind: 'The vault has a newer version than any pod.',
  expires: 'The newest version expires within 14 days.',
  expired: 'The newest version has expired.',
  unread: 'A class asks for this object, and no pod has mounted it.',
}

function ofObject(row: Row<'objects'>, nowMs: number): Facts {
  const [namespace = ''] = row.namespaces
  return {
    title: row.object,
    sub: row.vault,
    message: objectMessages[row.state] ?? null,
    facts: [
      ['Pods', String(row.pods)],
      ['Newest known', row.newest ?? '–'],
      ['Expires', at(row.expires, nowMs)],
      ['Last change', at(row.lastChange, nowMs)],
      ['Namespaces', row.namespaces.join(', ')],
      ...row.classes.slice(0, 5).map((name) => ['Class', classLink(namespace, name)] as const),
    ],
    lists: [
      {
        title: 'Versions in use',
        items: row.versions.map(({ version, pods }) => ({
          left: version,
          right: countOf(pods, 'pod'),
        })),
        more: 0,
      },
    ],
    fix: [],
  }
}

function ofClass(row: Row<'classes'>): Facts {
  const { namespace, class: name } = row
  return {
    title: name,
    sub: namespace,
    message: null,
    facts: [
      [
        'Pods',
        {
          view: 'volumes',
          filter: `ns=${namespace} class=${name}`,
          text: `${countOf(row.pods, 'pod')}, ${row.failing} failing`,
        },
      ],
      ['Provider', row.provider],
      ['Vaults', row.vaults.join(', ') || '–'],
      ['Identity', row.identity || '–'],
      ['Interval', row.interval ?? 'not known'],
      ['Secrets', row.secrets.join(', ') || '–'],
    ],
    lists: [
      {
        title: `${countOf(row.problems.length, 'finding')} of keymount lint`,
        items: row.problems.map(({ code, severity, text }) => ({ left: text, right: `${code} ${severity}` })),
        more: 0,
      },
    ],
    fix: [],
    rotate: { namespace, name },
    doctor: { namespace, target: `class/${name}` },
  }
}

function ofSecret(row: Row<'secrets'>, nowMs: number): Facts {
  const { namespace, secret, source } = row
  return {
    title: secret,
    sub: namespace,
    message: row.message,
    facts: [
      ['Made by', source === 'SecretSync' ? `SecretSync ${secret}` : 'secretObjects of the class'],
      ['Class', classLink(namespace, row.class)],
      ['Type', row.type],
      ['Written', at(row.lastWritten, nowMs)],
      ['Restarts', row.restarts.join(', ') || '–'],
    ],
    lists: [{ title: 'Keys', items: row.keys.map((key) => ({ left: key, right: '' })), more: 0 }],
    fix: row.fix,
    ...(source === 'SecretSync' ? { doctor: { namespace, target: `secretsync/${secret}` } } : {}),
  }
}

function ofNode(row: Row<'nodes'>): Facts {
  return {
    title: row.node,
    sub: 'Node',
    message: row.message,
    facts: [
      ['Driver', row.driver || '–'],
      ['Provider', row.provider || '–'],
      [
        'Volumes',
        {
          view: 'volumes',
          filter: `node=${row.node}`,
          text: `${countOf(row.volumes, 'volume')}, ${row.failing} failing`,
        },
      ],
    ],
    lists: [],
    fix: row.fix,
    doctor: { namespace: '', target: `node/${row.node}` },
    node: row.node,
  }
}

function ofProblem(row: Row<'problems'>, nowMs: number): Facts {
  const { where, namespace, affected, affectedCount } = row
  const isClass = where.startsWith('class/')
  return {
    title: row.code,
    sub: namespace === '' ? where : `${namespace} · ${where}`,
    message: row.text,
    facts: [
      ['Means', row.meaning || '–'],
      ['Since', at(row.since, nowMs)],
      ...(isClass ? [['Class', classLink(namespace, where.slice('class/'.length))] as const] : []),
    ],
    lists: [
      {
        title: `Affects ${affectedCount}`,
        items: affected.map((name) => ({ left: name, right: '' })),
        more: affectedCount - affected.length,
      },
    ],
    fix: row.fix,
    ...(isClass ? { rotate: { namespace, name: where.slice('class/'.length) } } : {}),
    ...doctorOf(row),
  }
}

function doctorOf({ namespace, affected: [first = ''] }: Row<'problems'>): Pick<Facts, 'doctor'> {
  return /^(pod|node)\//.test(first) ? { doctor: { namespace, target: first } } : {}
}

function ofEvent(row: Row<'events'>, nowMs: number): Facts {
  const isPod = row.object.startsWith('pod/')
  const pod = row.object.slice('pod/'.length)
  return {
    title: row.reason,
    sub: `${row.namespace} · ${row.object}`,
    message: row.message,
    facts: [
      ['When', at(row.at, nowMs)],
      ['Times', String(row.count)],
      ...(isPod
        ? [['Volumes', { view: 'volumes', filter: `ns=${row.namespace} pod=${pod}`, text: 'of this pod' }] as const]
        : []),
    ],
    lists: [],
    fix: [],
    ...(isPod ? { doctor: { namespace: row.namespace, target: row.object } } : {}),
  }
}
