/** What a dashboard asks and shows; {@link renderDashboard} makes Grafana's JSON of it. */
export interface DashboardSpec {
  /** Name of the file, and with `keymount-` the uid of the dashboard. */
  name: string
  title: string
  description: string
  /** Choices at the top, each of the values of a label of a metric; queries use them as `$name`. */
  variables: readonly VariableSpec[]
  rows: readonly { title: string; panels: readonly PanelSpec[] }[]
}

export interface VariableSpec {
  /** Also the label whose values it has. */
  name: string
  metric: string
}

export interface PanelSpec {
  title: string
  /** For the reader of the panel: what is normal, and where to go on. */
  description?: string
  /** Lines over time, or one number of now. */
  kind: 'lines' | 'number'
  unit: 'short' | 's' | 'bytes' | 'percentunit' | 'ops' | 'd'
  queries: readonly { expr: string; legend: string }[]
  /** A number from which the panel is red; the line of a limit in a panel of lines. */
  limit?: number
}

/** The expressions of a panel, each by the legend of its line. */
type Queries = Readonly<Record<string, string>>

type PanelDetails = Pick<PanelSpec, 'description' | 'limit'>

/** A panel of lines over time. */
export function lines(title: string, unit: PanelSpec['unit'], queries: Queries, details: PanelDetails = {}): PanelSpec {
  return { title, ...details, kind: 'lines', unit, queries: queryList(queries) }
}

/** A panel of one number of now. */
export function number(
  title: string,
  unit: PanelSpec['unit'],
  queries: Queries,
  details: PanelDetails = {},
): PanelSpec {
  return { title, ...details, kind: 'number', unit, queries: queryList(queries) }
}

function queryList(queries: Queries): PanelSpec['queries'] {
  return Object.entries(queries).map(([legend, expr]) => ({ expr, legend }))
}
