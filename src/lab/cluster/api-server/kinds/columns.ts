import { valueAt } from '#lib/formats'
import { type ApiObject, mapAt, recordsAt, textAt } from '../api-object.ts'
import { ageOf } from './human-duration.ts'

/** One column of a kind's table. */
export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format: string
  description: string
  /** 0 is always shown, 1 with `-o wide`. */
  priority: number
  cell(object: ApiObject, now: number): unknown
}

export function column(name: string, cell: Column['cell'], options: Partial<Column> = {}): Column {
  return { name, type: 'string', format: '', description: '', priority: 0, ...options, cell }
}

/** Shows a column only with `-o wide`. */
export const wide = (shown: Column): Column => ({ ...shown, priority: 1 })

/** The value at a path such as `status.podIP`. */
export const at = (object: ApiObject, path: string): unknown => valueAt(object, ...path.split('.'))

export const text = (name: string, path: string, missing = ''): Column =>
  column(name, (object) => at(object, path) || missing)

export const flag = (name: string, path: string): Column =>
  column(name, (object) => at(object, path), { type: 'boolean' })

export const count = (name: string, path: string): Column =>
  column(name, (object) => at(object, path) ?? 0, { type: 'integer' })

/** The number of entries of a list or a map. */
export const size = (name: string, path: string): Column =>
  column(name, (object) => Object.keys(Object(at(object, path))).length, { type: 'integer' })

/** One field of each item of a list. */
const each = (name: string, path: string, field: string) =>
  column(name, (object) =>
    recordsAt(object, ...path.split('.'))
      .map((item) => item[field])
      .join(','),
  )

/** The entries of a map. */
export const pairs = (name: string, path: string): Column =>
  column(name, (object) => {
    const entries = Object.entries(mapAt(object, ...path.split('.')))
    return entries.map(([key, value]) => `${key}=${value}`).join(',') || '<none>'
  })

/** By this format kubectl finds the column in which to print the kind, as in `kubectl get all`. */
export const nameColumn: Column = { ...text('Name', 'metadata.name'), format: 'name' }
export const ageColumn: Column = column('Age', ({ metadata }, now) => ageOf(metadata.creationTimestamp, now))
export const createdColumn: Column = text('Created At', 'metadata.creationTimestamp')

/** The last columns of every workload. */
export const templateColumns: readonly Column[] = [
  wide(each('Containers', 'spec.template.spec.containers', 'name')),
  wide(each('Images', 'spec.template.spec.containers', 'image')),
  wide(pairs('Selector', 'spec.selector.matchLabels')),
]

/** The columns of roles' bindings. */
export const bindingColumns: readonly Column[] = [
  nameColumn,
  column('Role', (object) => `${at(object, 'roleRef.kind')}/${at(object, 'roleRef.name')}`),
  ageColumn,
  subjects('Users', 'User'),
  subjects('Groups', 'Group'),
  subjects('ServiceAccounts', 'ServiceAccount'),
]

function subjects(name: string, kind: string): Column {
  const nameOf = (subject: object) =>
    kind === 'ServiceAccount' ? `${textAt(subject, 'namespace')}/${textAt(subject, 'name')}` : textAt(subject, 'name')
  const cell = (object: ApiObject) => {
    const ofKind = recordsAt(object, 'subjects').filter((subject) => subject.kind === kind)
    return ofKind.map(nameOf).join(', ')
  }
  return column(name, cell, { priority: 1 })
}
