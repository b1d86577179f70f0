import type { Row, ViewName } from '../../status/rows.ts'
import type { Column, View } from '../../status/views.ts'
import { byId, el, setText } from './dom.ts'

export interface GridHandlers {
  nowMs(): number
  onChosen(key: string): void
  onOpen(key: string): void
  onSort(sort: string): void
}

interface Grid {
  view: View | undefined
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  sort: string
  chosen: string | undefined
  /** Keys of rows that were just changed, with the moment until which they are marked. */
  changed: Map<string, number>
  slots: HTMLTableRowElement[]
  handlers: GridHandlers
}

/** Rows beyond the visible ones, so that scrolling shows no gap. */
const beyond = 8
const changedMs = 2400

/** Where a narrow page has the columns of a row: the others are left to the details. */
const narrowPlaces: Readonly<Record<ViewName, Readonly<Record<string, string>>>> = {
  volumes: { pod: 'main', class: 'sub', checked: 'end' },
  objects: { object: 'main', vault: 'sub', pods: 'end' },
  classes: { class: 'main', namespace: 'sub', pods: 'end' },
  secrets: { secret: 'main', class: 'sub', written: 'end' },
  nodes: { node: 'main', message: 'sub', volumes: 'end' },
  problems: { code: 'main', text: 'sub', since: 'end' },
  events: { reason: 'main', object: 'sub', at: 'end' },
}

const scroll = byId('scroll')
const table = byId<HTMLTableElement>('grid')
const head = byId<HTMLTableSectionElement>('head')
const body = byId<HTMLTableSectionElement>('body')
const above = spacer()
const below = spacer()

let grid: Grid

function spacer(): HTMLTableRowElement {
  return el('tr', { class: 'spacer', 'aria-hidden': 'true' }, el('td'))
}

/** A table of which only the visible rows are in the document: 10,000 rows scroll like 10. */
export function createGrid(handlers: GridHandlers): void {
  grid = {
    ...{ view: undefined, columns: [], rows: [], sort: '', chosen: undefined, changed: new Map(), slots: [], handlers },
  }
  scroll.addEventListener('scroll', () => requestAnimationFrame(renderRows), { passive: true })
  new ResizeObserver(() => {
    renderHead()
    renderRows()
  }).observe(scroll)
  body.addEventListener('click', (event) => {
    const key = keyAt(event)
    if (key === undefined) return
    handlers.onChosen(key)
    handlers.onOpen(key)
  })
}

function keyAt({ target }: Event): string | undefined {
  return (target as HTMLElement).closest('tr')?.dataset.key
}

export function showView(view: View, sort: string): void {
  if (grid.view !== view) {
    scroll.scrollTop = 0
    grid.changed.clear()
    // Rows of the other view have other fields.
    grid.rows = []
  }
  grid.view = view
  grid.sort = sort
  table.setAttribute('aria-label', view.title)
  renderHead()
}

/** Rows as they are to be shown. */
export function showRows(rows: readonly Row[]): void {
  grid.rows = rows
  table.setAttribute('aria-rowcount', String(rows.length + 1))
  renderRows()
}

/** Marks rows for a moment: something about them is new. */
export function markChanged(keys: readonly string[]): void {
  const now = performance.now()
  const until = now + changedMs
  for (const [key, end] of grid.changed) if (end < now) grid.changed.delete(key)
  for (const key of keys) grid.changed.set(key, until)
}

export function choose(key: string | undefined): void {
  grid.chosen = key
  renderRows()
}

/** The row `step` rows on from the chosen one; scrolls to it. */
export function move(step: number): Row | undefined {
  const { rows, chosen } = grid
  const at = rows.findIndex((row) => row.key === chosen)
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)
  const row = rows[next]
  if (row !== undefined) bringIntoView(next)
  return row
}

function bringIntoView(index: number): void {
  const height = rowHeight()
  const top = index * height
  const visible = scroll.clientHeight - head.offsetHeight
  if (top < scroll.scrollTop) scroll.scrollTop = top
  else if (top + height > scroll.scrollTop + visible) scroll.scrollTop = top + height - visible
}

export function bringChosenIntoView(): void {
  const at = grid.rows.findIndex((row) => row.key === grid.chosen)
  if (at >= 0) bringIntoView(at)
}

export function isNarrow(): boolean {
  return matchMedia('(max-width: 760px)').matches
}

function rowHeight(): number {
  return isNarrow() ? 66 : 38
}

/** Wide pages have room for all columns. */
const allColumnsFrom = 1280
/** Below, the others would be cut off for these, which the details have too. */
const mostColumnsFrom = 960
const leastNeeded: Readonly<Record<ViewName, readonly string[]>> = {
  volumes: ['age', 'next'],
  objects: ['newest', 'namespace'],
  classes: ['interval', 'secrets'],
  secrets: ['source', 'restarts'],
  nodes: [],
  problems: [],
  events: ['count'],
}
/** Pixels below which a state, an age or a version would be cut off. */
function leastWidth({ kind, mark }: Column<Row>, isFirst: boolean): number {
  const margin = isFirst ? 12 : 0
  if (kind === 'state') return 104 + margin
  if (mark !== undefined) return 98
  return kind === 'time' ? 66 + margin : 0
}

/** Columns share the width; those that would be cut off get what they need first. */
function sizeColumns(): void {
  const { columns } = grid
  const fixed = new Map<Column<Row>, number>()
  const total = () => columns.reduce((sum, column) => sum + (fixed.has(column) ? 0 : column.share), 0)
  const rest = () => [...fixed.values()].reduce((left, width) => left - width, table.clientWidth)
  columns.forEach((column, i) => {
    const least = leastWidth(column, i === 0)
    if ((rest() * column.share) / total() < least || column.kind === 'state') fixed.set(column, least)
  })
  const perShare = rest() / total()
  table.querySelectorAll('col').forEach((col, i) => {
    const column = columns[i]
    if (column !== undefined) col.style.width = `${fixed.get(column) ?? perShare * column.share}px`
  })
}

let headFor = ''

function renderHead(): void {
  const { view, sort, handlers } = grid
  if (view === undefined) return
  const isWide = scroll.clientWidth >= allColumnsFrom || isNarrow()
  const isMiddle = scroll.clientWidth < mostColumnsFrom && !isNarrow()
  const columns = view.columns.filter(
    ({ id, wideOnly }) => (isWide || wideOnly !== true) && !(isMiddle && leastNeeded[view.name].includes(id)),
  )
  const signature = `${view.name} ${sort} ${columns.length}`
  if (signature === headFor) {
    sizeColumns()
    return
  }
  headFor = signature
  grid.columns = columns
  grid.slots = []
  table.querySelector('colgroup')?.remove()
  table.prepend(el('colgroup', {}, ...columns.map(() => el('col'))))
  sizeColumns()
  const cells = columns.map(({ id, title, kind }) => {
    const isSorted = sort === id || sort === `-${id}`
    const isDown = sort === `-${id}`
    return el(
      'th',
      {
        role: 'columnheader',
        scope: 'col',
        class: kind === 'number' ? 'number' : '',
        'aria-sort': isSorted ? (isDown ? 'descending' : 'ascending') : 'none',
      },
      el(
        'button',
        { type: 'button', onclick: () => handlers.onSort(sort === id ? `-${id}` : id) },
        title,
        isSorted && el('span', { class: 'arrow', 'aria-hidden': 'true' }, isDown ? '▼' : '▲'),
      ),
    )
  })
  head.replaceChildren(el('tr', { role: 'row', 'aria-rowindex': '1' }, ...cells))
  table.setAttribute('aria-colcount', String(columns.length))
  body.replaceChildren(above, below)
}

/** Brings the rows of the document up to date with what is visible. Rows are reused, and only texts that differ are set. */
export function renderRows(): void {
  const { view, rows, slots } = grid
  if (view === undefined) return
  const height = rowHeight()
  const first = Math.max(Math.floor(scroll.scrollTop / height) - beyond, 0)
  const count = Math.min(Math.ceil(scroll.clientHeight / height) + 2 * beyond, Math.max(rows.length - first, 0))
  while (slots.length < count) {
    const slot = newSlot(view.name)
    slots.push(slot)
    below.before(slot)
  }
  for (const extra of slots.splice(count)) extra.remove()
  setHeight(above, first * height)
  setHeight(below, Math.max(rows.length - first - count, 0) * height)
  const nowMs = grid.handlers.nowMs()
  for (let i = 0; i < count; i++) {
    const [slot, row] = [slots[i], rows[first + i]]
    if (slot !== undefined && row !== undefined) fillSlot(slot, row, first + i, nowMs)
  }
  const active = slots.find((slot) => slot.dataset.key === grid.chosen)
  if (active === undefined) table.removeAttribute('aria-activedescendant')
  else table.setAttribute('aria-activedescendant', active.id)
}

function setHeight(row: HTMLTableRowElement, height: number): void {
  const cell = row.firstElementChild as HTMLTableCellElement
  const text = `${height}px`
  cell.colSpan = Math.max(grid.columns.length, 1)
  if (cell.style.height !== text) cell.style.height = text
  row.hidden = height === 0
}

let slotCount = 0

function newSlot(name: ViewName): HTMLTableRowElement {
  const places = narrowPlaces[name]
  const cells = grid.columns.map(({ id, kind = 'text' }) => {
    const place = id === 'state' ? 'state' : places[id]
    const attributes = { role: 'gridcell', class: `${kind}${place === undefined ? '' : ` at-${place}`}` }
    const cell = el('td', attributes)
    return cell
  })
  slotCount += 1
  return el('tr', { role: 'row', id: `row-${slotCount}` }, ...cells)
}

function fillSlot(slot: HTMLTableRowElement, row: Row, index: number, nowMs: number): void {
  slot.dataset.key = row.key
  slot.setAttribute('aria-rowindex', String(index + 2))
  slot.setAttribute('aria-selected', String(row.key === grid.chosen))
  const isChanged = (grid.changed.get(row.key) ?? 0) > performance.now()
  if (slot.classList.contains('changed') !== isChanged) slot.classList.toggle('changed', isChanged)
  grid.columns.forEach((column, i) => {
    const cell = slot.cells[i]
    if (cell !== undefined) fillCell(cell, column, row, nowMs)
  })
}

function fillCell(cell: HTMLTableCellElement, column: Column<Row>, row: Row, nowMs: number): void {
  const text = isNarrow() ? narrowText(cell, column, row, nowMs) : column.text(row, nowMs)
  const mark = column.mark?.(row)
  const signature = `${text}\n${mark?.text ?? ''}\n${column.kind === 'state' ? row.tone : ''}`
  const title = column.kind === 'time' ? (column.at?.(row) ?? '') : text
  if (cell.title !== title) cell.title = title
  if (cell.dataset.is === signature) return
  cell.dataset.is = signature
  if (column.kind === 'state') cell.replaceChildren(stateMark(row))
  else if (mark === undefined) setText(cell, text)
  else {
    const shown = el(
      'span',
      { class: `mark ${mark.tone}`, title: mark.hint, role: 'img', 'aria-label': mark.hint },
      mark.text,
    )
    cell.replaceChildren(text, shown)
  }
}

/** On a narrow page there are no heads: a text explains itself. */
function narrowText(cell: HTMLElement, column: Column<Row>, row: Row, nowMs: number): string {
  const text = column.text(row, nowMs)
  if (cell.classList.contains('at-sub') && 'namespace' in row && row.namespace !== '' && column.id !== 'namespace')
    return `${row.namespace} · ${text}`
  if (!cell.classList.contains('at-end') || text === '') return text
  if (column.kind === 'number') {
    const noun = column.title.toLowerCase()
    return `${text} ${text === '1' ? noun.replace(/s$/, '') : noun}`
  }
  return text.startsWith('in ') ? text : `${text} ago`
}

/** Shape, colour and word: none of them alone. */
export function stateMark({ state, tone }: Pick<Row, 'state' | 'tone'>): HTMLElement {
  return el('span', { class: `status ${tone}` }, el('span', { class: 'dot' }), el('span', { class: 'word' }, state))
}

/** Placeholders while nothing has been read yet. */
export function showLoading(): void {
  const lines = Array.from({ length: 8 }, () =>
    el('tr', { class: 'loading', 'aria-hidden': 'true' }, ...grid.columns.map(() => el('td'))),
  )
  grid.slots = []
  headFor = ''
  renderHead()
  above.after(...lines)
}

export function clearLoading(): void {
  for (const line of body.querySelectorAll('tr.loading')) line.remove()
}
