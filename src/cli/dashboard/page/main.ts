import { filterRows, parseFilter } from '../../status/filter.ts'
import type { Row, Tone, ViewName } from '../../status/rows.ts'
import { sortRows, type View, viewNames, viewOf } from '../../status/views.ts'
import { byId, el, setText } from './dom.ts'
import type { Link } from './facts.ts'
import {
  bringChosenIntoView,
  choose,
  clearLoading,
  createGrid,
  isNarrow,
  markChanged,
  move,
  renderRows,
  showLoading,
  showRows,
  showView,
} from './grid.ts'
import { closePanel, commandElement, copy, isOpen, showPanel } from './panel.ts'
import { ApiError, api, signIn } from './session.ts'
import { followRows, type Head } from './stream.ts'
import { applyTheme, nextTheme } from './theme.ts'

interface Info {
  server: string
  namespace: string | null
  isReadOnly: boolean
  hasAzure: boolean
  version: string
}

/** What the page shows; `view`, `filter`, `sort` and `chosen` are also in its address. */
const state = {
  view: viewOf('volumes'),
  filter: '',
  sort: '',
  chosen: undefined as string | undefined,
  rows: new Map<string, Row>(),
  shown: [] as readonly Row[],
  head: undefined as Head | undefined,
  /** The server's clock minus this one's. */
  offsetMs: 0,
  isComplete: false,
  isLost: false,
  following: new AbortController(),
}

const input = byId<HTMLInputElement>('filter')
const grid = byId('grid')
const nowMs = () => Date.now() + state.offsetMs

function announce(text: string): void {
  setText(byId('announcement'), text)
}

// ---- address ----

function readAddress(): void {
  const name = viewNames.find((one) => location.pathname === `/${one}`) ?? 'volumes'
  const query = new URLSearchParams(location.search)
  state.view = viewOf(name)
  state.filter = query.get('q') ?? ''
  state.sort = query.get('sort') ?? state.view.sort
  state.chosen = query.get('row') ?? undefined
  input.value = state.filter
}

function writeAddress(kind: 'push' | 'replace'): void {
  const query = new URLSearchParams()
  if (state.filter !== '') query.set('q', state.filter)
  if (state.sort !== state.view.sort) query.set('sort', state.sort)
  if (isOpen() && state.chosen !== undefined) query.set('row', state.chosen)
  const text = query.toString()
  const address = `/${state.view.name}${text === '' ? '' : `?${text}`}`
  if (address === location.pathname + location.search) return
  if (kind === 'push') history.pushState(null, '', address)
  else history.replaceState(null, '', address)
}

// ---- views ----

/** Filters that the views could have. */
const examples: Readonly<Record<ViewName, string>> = {
  volumes: 'ns:shop state:failing class:db',
  objects: 'vault:shop state:mixed',
  classes: 'ns:shop state:failing',
  secrets: 'ns:shop state:ready',
  nodes: 'node:n1 state:failing',
  problems: 'ns:shop code:forbidden',
  events: 'ns:shop state:failure',
}

function openView(name: ViewName, filter = ''): void {
  closePanel()
  state.view = viewOf(name)
  state.filter = filter
  state.sort = state.view.sort
  state.chosen = undefined
  input.value = filter
  writeAddress('push')
  startView()
}

function startView(): void {
  state.following.abort()
  state.following = new AbortController()
  state.rows = new Map()
  state.isComplete = false
  closePanel()
  showView(state.view, state.sort)
  choose(state.chosen)
  setText(byId('title'), state.view.title)
  input.placeholder = `Filter: ${examples[state.view.name]}`
  byId('empty').hidden = true
  showLoading()
  renderNav()
  renderChips()
  setText(byId('count'), '')
  const isPanelWanted = new URLSearchParams(location.search).has('row')
  let incoming = new Map<string, Row>()
  let isFirst = true
  void followRows(
    state.view.name,
    {
      onReset() {
        incoming = new Map()
        isFirst = true
      },
      onRows(rows) {
        if (isFirst) for (const row of rows) incoming.set(row.key, row)
        else update(rows)
        if (isFirst && state.rows.size === 0) {
          state.rows = incoming
          scheduleRows()
        }
      },
      onGone(keys) {
        for (const key of keys) state.rows.delete(key)
        scheduleRows()
      },
      onHead(head) {
        if (isFirst) state.rows = incoming
        isFirst = false
        onHead(head)
        if (isPanelWanted && state.isComplete && state.chosen !== undefined && !isOpen()) openChosen()
      },
      onLost() {
        state.isLost = true
        renderLive()
      },
      onSignedOut: showSignedOut,
    },
    state.following.signal,
  )
}

function update(rows: readonly Row[]): void {
  const changed = rows.filter((row) => isNews(state.rows.get(row.key), row)).map(({ key }) => key)
  for (const row of rows) state.rows.set(row.key, row)
  markChanged(changed)
  if (changed.length > 0) announce(`${changed.length} ${state.view.noun[changed.length === 1 ? 0 : 1]} changed`)
  scheduleRows()
}

/** A check that found nothing new is not marked. */
function isNews(before: Row | undefined, now: Row): boolean {
  if (before === undefined || before.state !== now.state) return true
  const versionOf = (row: Row) => ('version' in row ? row.version : 'newest' in row ? row.newest : '')
  return versionOf(before) !== versionOf(now)
}

function onHead(head: Head): void {
  state.head = head
  state.offsetMs = head.nowMs - Date.now()
  state.isLost = false
  if (head.isReady) state.isComplete = true
  renderNav()
  renderLive()
  renderMissing()
  scheduleRows()
}

// ---- rows ----

let isScheduled = false

/** Rows that come together are shown together. */
function scheduleRows(): void {
  if (isScheduled) return
  isScheduled = true
  requestAnimationFrame(() => {
    isScheduled = false
    renderAll()
  })
}

function renderAll(): void {
  const { view, filter, sort, rows } = state
  const parsed = parseFilter(filter, view)
  state.shown = sortRows(view, filterRows(view, [...rows.values()], parsed, nowMs()), sort)
  if (state.isComplete || rows.size > 0) clearLoading()
  showRows(state.shown)
  renderCount()
  renderChips()
  renderEmpty()
  const problem = byId('filter-problem')
  problem.hidden = parsed.unknown.length === 0
  setText(
    problem,
    `${view.title} have no column "${parsed.unknown[0] ?? ''}". Columns: ${view.columns.map(({ id }) => id).join(', ')}`,
  )
  const row = state.chosen === undefined ? undefined : rows.get(state.chosen)
  if (isOpen() && row !== undefined) showPanel(view.name, row, panelHandlers)
  document.documentElement.dataset.rows = String(state.shown.length)
  document.documentElement.dataset.complete = String(state.isComplete)
}

function counted(count: number, { noun }: View): string {
  return `${count.toLocaleString('en')} ${noun[count === 1 ? 0 : 1]}`
}

function renderCount(): void {
  const { shown, rows, view, isComplete } = state
  const all = counted(rows.size, view)
  const text = shown.length === rows.size ? all : `${shown.length.toLocaleString('en')} of ${all}`
  setText(byId('count'), isComplete || rows.size > 0 ? text : '')
}

const chipOrder: readonly Tone[] = ['bad', 'warn', 'quiet', 'good']

/** Of states that are nouns. */
const plurals: Readonly<Record<string, string>> = {
  error: 'errors',
  warning: 'warnings',
  rotation: 'rotations',
  failure: 'failures',
  push: 'pushes',
  secret: 'secrets',
  outage: 'outages',
}

/** The states that there are, each a filter. */
function renderChips(): void {
  const counts = new Map<string, { tone: Tone; count: number }>()
  for (const { state: word, tone } of state.rows.values()) {
    const known = counts.get(word)
    if (known === undefined) counts.set(word, { tone, count: 1 })
    else known.count += 1
  }
  const chips = [...counts].toSorted(
    ([a, one], [b, other]) => chipOrder.indexOf(one.tone) - chipOrder.indexOf(other.tone) || (a < b ? -1 : 1),
  )
  const place = byId('chips')
  const signature = `${JSON.stringify(chips)} ${state.filter}`
  if (place.dataset.is === signature) return
  place.dataset.is = signature
  const focused = (document.activeElement as HTMLElement | null)?.dataset.state
  place.replaceChildren(
    ...chips.map(([word, { tone, count }]) => {
      const term = `state=${word.replaceAll(' ', '')}`
      const isOn = state.filter.split(/\s+/).includes(term)
      const chip = el(
        'button',
        {
          type: 'button',
          class: 'chip',
          'data-state': word,
          'aria-pressed': String(isOn),
          onclick: () => toggleTerm(term),
        },
        el(
          'span',
          { class: `status ${tone}` },
          el('span', { class: 'dot' }),
          el(
            'span',
            { class: 'word' },
            `${count.toLocaleString('en')} ${count === 1 ? word : (plurals[word] ?? word)}`,
          ),
        ),
      )
      if (focused === word) queueMicrotask(() => chip.focus())
      return chip
    }),
  )
}

function toggleTerm(term: string): void {
  const terms = state.filter.split(/\s+/).filter((one) => one !== '')
  const rest = terms.filter((one) => !one.startsWith('state'))
  setFilter((terms.includes(term) ? rest : [...rest, term]).join(' '))
}

function setFilter(filter: string): void {
  state.filter = filter
  if (input.value !== filter) input.value = filter
  byId('scroll').scrollTop = 0
  writeAddress('replace')
  renderAll()
}

function renderEmpty(): void {
  const place = byId('empty')
  const isEmpty = state.isComplete && state.shown.length === 0
  place.hidden = !isEmpty
  grid.hidden = isEmpty
  if (!isEmpty) return
  const { view, rows, filter } = state
  const unread = state.head?.partial[view.name] ?? []
  const { counts } = state.head ?? {}
  // In a cluster without volumes, the first one would fail for these.
  const problems = counts?.volumes?.all === 0 ? (counts.problems?.bad ?? 0) : 0
  const signature = rows.size > 0 ? `filter ${filter}` : `${view.name} ${problems} ${unread.join()}`
  if (place.dataset.is === signature) return
  place.dataset.is = signature
  if (rows.size > 0) {
    place.replaceChildren(
      el('h2', {}, `No ${view.noun[0]} matches`),
      el('p', {}, `${counted(rows.size, view)} ${rows.size === 1 ? 'does' : 'do'} not match the filter.`),
      el('button', { type: 'button', class: 'button', onclick: () => setFilter('') }, 'Clear the filter'),
    )
    return
  }
  if (unread.length > 0) {
    place.replaceChildren(
      el('h2', {}, `No ${view.noun[1]} in what could be read`),
      el('p', {}, `There may be some: ${listed(unread)} could not be read.`),
    )
    return
  }
  const isGood = view.name === 'problems'
  place.replaceChildren(
    ...(isGood ? [el('div', { class: 'sign', 'aria-hidden': 'true' }, '✓')] : []),
    el('h2', {}, view.empty),
    ...emptyHint(view.name, problems),
  )
}

const mostListed = 3

/** `a, b and 4 more` */
function listed(words: readonly string[]): string {
  const shown = words.slice(0, mostListed)
  const last = words.length > mostListed ? `${words.length - mostListed} more` : (shown.pop() ?? '')
  return shown.length === 0 ? last : `${shown.join(', ')} and ${last}`
}

/** @param problems errors of the cluster, which come before a first class */
function emptyHint(view: ViewName, problems: number): Node[] {
  if (view === 'problems')
    return [
      el('p', {}, 'Driver, provider, classes, volumes and Secrets are as they should be. This page goes on looking.'),
    ]
  if (view === 'events') return [el('p', {}, 'Rotations, failures and restarts appear here as they happen.')]
  if (view === 'nodes') return []
  if (view === 'secrets')
    return [
      el(
        'p',
        {},
        'A class makes one by its secretObjects, a SecretSync without a pod. Pods that read files need none.',
      ),
    ]
  if (problems > 0) {
    const text = problems === 1 ? 'Show the problem' : `Show ${problems} problems`
    return [
      el('p', {}, 'Something is wrong with the cluster, which comes first.'),
      el('button', { type: 'button', class: 'button', onclick: () => openView('problems') }, text),
    ]
  }
  return [
    el('p', {}, 'A pod gets secrets by a volume that names a SecretProviderClass. A first one to apply:'),
    commandElement('kubectl apply -f examples/workload-identity', announce),
  ]
}

// ---- frame ----

function renderNav(): void {
  const place = byId('nav')
  const counts = state.head?.counts
  const partial = state.head?.partial ?? {}
  const signature = `${state.view.name} ${JSON.stringify([counts, partial])}`
  if (place.dataset.is === signature) return
  place.dataset.is = signature
  const focused = (document.activeElement as HTMLElement | null)?.dataset.view
  place.replaceChildren(
    ...viewNames.map((name) => {
      const { title } = viewOf(name)
      const count = counts?.[name]
      const tone =
        name === 'problems' && count !== undefined && count.bad > 0
          ? 'bad'
          : name === 'problems' && (count?.warn ?? 0) > 0
            ? 'warn'
            : ''
      const link = el(
        'a',
        {
          href: `/${name}`,
          'data-view': name,
          ...(name === state.view.name ? { 'aria-current': 'page' } : {}),
          onclick: (event) => {
            if ((event as MouseEvent).metaKey || (event as MouseEvent).ctrlKey) return
            event.preventDefault()
            openView(name)
          },
        },
        title,
        count !== undefined && countElement(count.all, tone, name in partial),
      )
      if (focused === name) queueMicrotask(() => link.focus())
      return link
    }),
  )
  showCurrentLink(place, Object.keys(counts ?? {}).length)
  const bad = counts?.problems?.bad ?? 0
  document.title = `${bad > 0 ? `(${bad}) ` : ''}${state.view.title} · Keymount`
  const icon = document.querySelector('link[rel=icon]')
  icon?.setAttribute('href', `/app/dashboard/page/${bad > 0 ? 'icon-bad' : 'icon'}.svg`)
}

/** Where the links are in one line, it is wider than a telephone. A count that changes does not scroll it back. */
function showCurrentLink(place: HTMLElement, knownCounts: number): void {
  const current = place.querySelector<HTMLElement>('[aria-current]')
  const signature = `${state.view.name} ${knownCounts}`
  if (current === null || place.dataset.shown === signature) return
  place.dataset.shown = signature
  place.scrollLeft = current.offsetLeft - (place.clientWidth - current.offsetWidth) / 2
}

/** What could not be read is not zero. */
function countElement(count: number, tone: string, isPartial: boolean): HTMLElement {
  if (isPartial && count === 0) return el('span', { class: 'n', title: 'could not be read' }, '–')
  return el('span', { class: `n ${tone}` }, count.toLocaleString('en'))
}

/** The server shows at least about once a minute that a watch is alive, and ends each after five. */
const silentMs = 330_000

function renderLive(): void {
  const { isLost, head, isComplete } = state
  const place = byId('live')
  const unreachable = head?.unreachable ?? null
  const isSilent = unreachable !== null || (head?.silentMs ?? 0) > silentMs
  const isGood = !isLost && !isSilent && isComplete
  place.className = `live ${isGood ? 'good' : isLost || isSilent ? 'bad' : ''}`
  setText(place, isLost ? 'Not connected' : isSilent ? 'No answer' : isComplete ? 'Live' : 'Reading…')
  byId('grid').classList.toggle('stale-rows', isLost || isSilent)
  const banner = byId('banner')
  banner.hidden = !isLost && !isSilent
  if (isLost)
    setText(
      banner,
      'The connection to keymount dashboard is lost: what is shown may be old. Trying again. If it has ended, start it again: its address is a new one.',
    )
  else if (unreachable !== null)
    setText(banner, `The API server does not answer: what is shown may be old. Trying again. ${unreachable}`)
  else if (isSilent) setText(banner, 'The API server has not answered for minutes: what is shown may be old.')
}

function renderMissing(): void {
  const missing = Object.entries(state.head?.missing ?? {})
  const place = byId('missing')
  place.hidden = missing.length === 0
  const signature = JSON.stringify(missing)
  if (place.dataset.is === signature) return
  place.dataset.is = signature
  place.replaceChildren(
    el('summary', {}, `Not everything is here: ${listed(missing.map(([noun]) => noun))} could not be read`),
    el('ul', {}, ...missing.map(([noun, why]) => el('li', {}, `${noun}: ${why}`))),
  )
}

function showSignedOut(): void {
  state.following.abort()
  clearLoading()
  closePanel()
  grid.hidden = true
  byId('banner').hidden = true
  setText(byId('live'), 'Not signed in')
  const place = byId('empty')
  place.hidden = false
  place.replaceChildren(
    el('h2', {}, 'Open the address that keymount dashboard printed'),
    el(
      'p',
      {},
      'This page needs the token at the end of that address. A dashboard that was started again has a new one.',
    ),
    commandElement('keymount dashboard', announce),
  )
}

// ---- details ----

const panelHandlers = {
  nowMs,
  announce,
  onLink: ({ view, filter }: Link) => openView(view, filter),
  onClose: closeDetails,
}

function openChosen(): void {
  const row = state.chosen === undefined ? undefined : state.rows.get(state.chosen)
  if (row === undefined) return
  showPanel(state.view.name, row, panelHandlers)
  bringChosenIntoView()
  writeAddress('replace')
}

function closeDetails(): void {
  closePanel()
  writeAddress('replace')
  grid.focus()
}

function chooseRow(key: string): void {
  state.chosen = key
  choose(key)
  if (isOpen()) openChosen()
}

// ---- keys ----

function onKey(event: KeyboardEvent): void {
  const target = event.target as HTMLElement
  document.documentElement.dataset.keys = 'true'
  const isTyping = target === input
  if (event.ctrlKey || event.metaKey || event.altKey || byId<HTMLDialogElement>('keys').open) return
  if (event.key === 'Escape') {
    if (isTyping) grid.focus()
    else if (isOpen()) closeDetails()
    else if (state.filter !== '') setFilter('')
    return
  }
  if (isTyping) {
    if (event.key === 'Enter' || event.key === 'ArrowDown') {
      event.preventDefault()
      grid.focus()
      step(1)
    }
    return
  }
  const run = keyActions(event.key, target)
  if (run === undefined) return
  event.preventDefault()
  run()
}

function keyActions(key: string, target: HTMLElement): (() => void) | undefined {
  const view = viewNames[Number(key) - 1]
  if (view !== undefined) return () => openView(view)
  const isControl = target.closest('button, a, summary') !== null
  switch (key) {
    case 'j':
      return () => step(1)
    case 'k':
      return () => step(-1)
    case 'ArrowDown':
    case 'ArrowUp':
      return target.closest('#panel') === null ? () => step(key === 'ArrowDown' ? 1 : -1) : undefined
    case 'PageDown':
    case 'PageUp':
      return target === grid ? () => step(key === 'PageDown' ? 15 : -15) : undefined
    case 'Home':
    case 'End':
      return target === grid ? () => step(key === 'Home' ? -state.shown.length : state.shown.length) : undefined
    case 'Enter':
    case 'o':
      return isControl ? undefined : openAndFocus
    case '/':
      return () => {
        input.focus()
        input.select()
      }
    case '?':
      return () => byId<HTMLDialogElement>('keys').showModal()
    case 't':
      return () => nextTheme(byId('theme'))
    case 'c':
      return copyFirst
    default:
      return undefined
  }
}

function step(by: number): void {
  const row = move(by)
  if (row === undefined) return
  if (document.activeElement?.closest('#panel') === null) grid.focus()
  chooseRow(row.key)
}

function openAndFocus(): void {
  openChosen()
  if (isOpen()) byId('panel').focus()
}

function copyFirst(): void {
  const row = state.chosen === undefined ? undefined : state.rows.get(state.chosen)
  const [command] = row !== undefined && 'fix' in row ? row.fix : []
  if (command !== undefined) void copy(command, announce)
}

// ---- start ----

async function start(): Promise<void> {
  applyTheme(byId('theme'))
  byId('theme').addEventListener('click', () => nextTheme(byId('theme')))
  byId('help').addEventListener('click', () => byId<HTMLDialogElement>('keys').showModal())
  createGrid({
    nowMs,
    onChosen: chooseRow,
    onOpen: () => openChosen(),
    onSort(sort) {
      state.sort = sort
      showView(state.view, sort)
      writeAddress('replace')
      renderAll()
    },
  })
  input.addEventListener('input', () => setFilter(input.value))
  document.addEventListener('keydown', onKey)
  addEventListener('popstate', () => {
    readAddress()
    startView()
  })
  // Ages move on.
  setInterval(() => {
    if (document.visibilityState === 'visible') renderRows()
  }, 1000)
  readAddress()
  try {
    await signIn()
    showInfo(await api<Info>('/api/info'))
  } catch (error) {
    showView(state.view, state.sort)
    renderNav()
    if (error instanceof ApiError && error.status === 401) showSignedOut()
    else throw error
    return
  }
  startView()
  if (!isNarrow()) grid.focus({ preventScroll: true })
}

function showInfo({ server, namespace, isReadOnly }: Info): void {
  const parts = [
    server.replace(/^https:\/\//, ''),
    ...(namespace === null ? [] : [`namespace ${namespace}`]),
    ...(isReadOnly ? ['read-only'] : []),
  ]
  setText(byId('cluster'), parts.join(' · '))
}

await start()
