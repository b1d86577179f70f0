import type { Row, ViewName } from '../../status/rows.ts'
import { byId, el, setText } from './dom.ts'
import { type Facts, factsOf, type Link } from './facts.ts'
import { stateMark } from './grid.ts'
import { api } from './session.ts'

export interface PanelHandlers {
  nowMs(): number
  onLink(link: Link): void
  onClose(): void
  announce(text: string): void
}

interface Rights {
  rotate: boolean
  doctor: boolean
}

const panel = byId('panel')
/** Made for this row: results of buttons stay while the row itself is updated. */
let shown: { view: ViewName; key: string; facts: HTMLElement; results: HTMLElement } | undefined

export function isOpen(): boolean {
  return shown !== undefined
}

export function closePanel(): void {
  shown = undefined
  panel.hidden = true
  panel.replaceChildren()
}

/** Opens the details of a row, or brings them up to date. */
export function showPanel(view: ViewName, row: Row, handlers: PanelHandlers): void {
  const facts = factsOf(view, row, handlers.nowMs())
  if (shown?.view === view && shown.key === row.key) {
    const next = factsElement(row, facts, handlers)
    // A focused link or button stays what it is until it has lost the focus.
    if (shown.facts.contains(document.activeElement) || getSelection()?.isCollapsed === false) return
    shown.facts.replaceWith(next)
    shown.facts = next
    return
  }
  const results = el('div', { 'aria-live': 'polite' })
  const body = factsElement(row, facts, handlers)
  shown = { view, key: row.key, facts: body, results }
  const actions = el('div', { class: 'actions' })
  panel.replaceChildren(
    el(
      'header',
      {},
      el('div', {}, el('h2', {}, facts.title), el('p', { class: 'sub' }, facts.sub)),
      el(
        'button',
        { type: 'button', class: 'button small close', 'aria-label': 'Close details', onclick: handlers.onClose },
        'Close',
      ),
    ),
    actions,
    results,
    body,
  )
  panel.hidden = false
  panel.scrollTop = 0
  void addActions(actions, results, facts, handlers)
}

function factsElement(row: Row, facts: Facts, handlers: PanelHandlers): HTMLElement {
  const { message, fix } = facts
  return el(
    'div',
    {},
    el('div', { class: 'headline' }, stateMark(row)),
    message !== null && message !== '' && el('p', { class: `message ${row.tone}` }, message),
    fix.length > 0 && el('h3', {}, fix.length === 1 ? 'Command' : 'Commands'),
    ...fix.map((command) => commandElement(command, handlers.announce)),
    el('h3', {}, 'Facts'),
    el(
      'dl',
      { class: 'facts' },
      ...facts.facts.flatMap(([name, value]) => [
        el('dt', {}, name),
        el('dd', {}, typeof value === 'string' ? value : linkElement(value, handlers)),
      ]),
    ),
    ...facts.lists.flatMap(({ title, items, more }) =>
      items.length === 0
        ? []
        : [
            el('h3', {}, title),
            el(
              'ul',
              { class: 'list' },
              ...items.map(({ left, right }) =>
                el('li', {}, el('span', {}, left), right !== '' && el('span', { class: 'right mono' }, right)),
              ),
              more > 0 && el('li', {}, `and ${more} more`),
            ),
          ],
    ),
  )
}

function linkElement(link: Link, { onLink }: PanelHandlers): HTMLElement {
  const href = `/${link.view}?q=${encodeURIComponent(link.filter)}`
  const onclick = (event: Event) => {
    if ((event as MouseEvent).metaKey || (event as MouseEvent).ctrlKey) return
    event.preventDefault()
    onLink(link)
  }
  return el('a', { href, onclick }, link.text)
}

/** A command with the button that copies it. */
export function commandElement(command: string, announce: (text: string) => void): HTMLElement {
  const button = el('button', { type: 'button', class: 'button small', 'aria-label': `Copy: ${command}` }, 'Copy')
  button.addEventListener('click', () => {
    void copy(command, announce).then((isCopied) => {
      setText(button, isCopied ? 'Copied' : 'Press Ctrl-C')
      setTimeout(() => setText(button, 'Copy'), 1600)
    })
  })
  return el('div', { class: 'command' }, el('code', {}, command), button)
}

export async function copy(command: string, announce: (text: string) => void): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(command)
    announce('copied to the clipboard')
    return true
  } catch {
    announce('the browser does not allow copying')
    return false
  }
}

async function addActions(
  actions: HTMLElement,
  results: HTMLElement,
  facts: Facts,
  { announce }: PanelHandlers,
): Promise<void> {
  const { rotate, doctor, node } = facts
  if (node !== undefined) void showRates(node, results)
  const namespace = rotate?.namespace ?? doctor?.namespace
  if (namespace === undefined) return
  const rights = await api<Rights>(`/api/rights?namespace=${encodeURIComponent(namespace || 'default')}`).catch(
    () => undefined,
  )
  if (rights?.rotate === true && rotate !== undefined) {
    actions.append(
      actionButton(
        'Rotate now',
        'Rotating…',
        'button main',
        async () => {
          const found = await api<{ counts: Record<string, number>; reasons: string[] }>('/api/rotate', {
            body: rotate,
          })
          const counts = Object.entries(found.counts).map(([outcome, count]) => `${count} ${outcome}`)
          const text = counts.length === 0 ? 'No pod has this class mounted.' : `Rotated: ${counts.join(', ')}.`
          announce(text)
          results.replaceChildren(
            el('p', { class: 'result' }, text),
            ...found.reasons.map((reason) => el('p', { class: 'message bad' }, reason)),
          )
        },
        results,
      ),
    )
  }
  if (rights?.doctor === true && doctor !== undefined) {
    actions.append(
      actionButton(
        'Run doctor',
        'Examining…',
        'button',
        async () => {
          const found = await api<DoctorAnswer>('/api/doctor', { body: doctor })
          announce(`The doctor has examined ${found.title}`)
          results.replaceChildren(stepsElement(found, announce))
        },
        results,
      ),
    )
  }
}

function actionButton(
  title: string,
  busy: string,
  kind: string,
  run: () => Promise<void>,
  results: HTMLElement,
): HTMLElement {
  const button = el('button', { type: 'button', class: kind }, title)
  button.addEventListener('click', () => {
    button.disabled = true
    setText(button, busy)
    void run()
      .catch((error: unknown) => {
        results.replaceChildren(
          el('p', { class: 'message bad' }, error instanceof Error ? error.message : String(error)),
        )
      })
      .finally(() => {
        button.disabled = false
        setText(button, title)
        button.focus()
      })
  })
  return button
}

interface DoctorAnswer {
  title: string
  steps: { id: string; title: string; state: string; code: string; found: string; fix: string[] }[]
}

const stepTones: Readonly<Record<string, string>> = { ok: 'good', fail: 'bad', warn: 'warn' }

function stepsElement({ steps }: DoctorAnswer, announce: (text: string) => void): HTMLElement {
  return el(
    'ol',
    { class: 'steps', 'aria-label': 'Doctor' },
    ...steps.map(({ title, state, code, found, fix }) =>
      el(
        'li',
        { class: stepTones[state] ?? 'quiet' },
        el('span', { class: 'dot', role: 'img', 'aria-label': state }),
        el(
          'div',
          {},
          el('strong', {}, title),
          code !== '' && el('span', {}, ' ', el('code', {}, code)),
          found !== '' && el('p', { class: 'found' }, found),
          ...fix.map((command) => commandElement(command, announce)),
        ),
      ),
    ),
  )
}

async function showRates(node: string, results: HTMLElement): Promise<void> {
  const line = el('p', { class: 'result' }, 'Reading the metrics of the node for five seconds…')
  results.replaceChildren(line)
  type Rates = { reads: number | null; throttled: number | null; signIns: number | null; why?: string }
  const rates = await api<Rates>(`/api/rates?node=${encodeURIComponent(node)}`).catch(
    (error: unknown): Pick<Rates, 'why'> => ({ why: error instanceof Error ? error.message : String(error) }),
  )
  if ('reads' in rates) {
    const shownOf = (value: number | null) => (value === null ? '–' : String(value))
    setText(
      line,
      `Per minute: ${shownOf(rates.reads)} reads, ${shownOf(rates.throttled)} answers 429, ${shownOf(rates.signIns)} sign-ins`,
    )
  } else setText(line, `Its metrics cannot be read: ${rates.why}`)
}
