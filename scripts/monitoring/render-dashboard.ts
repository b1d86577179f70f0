import {
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as NumberBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import type { DashboardSpec, PanelSpec, VariableSpec } from './dashboard.ts'

/** The Prometheus that the reader chooses at the top. */
const datasource = { type: 'prometheus', uid: '$datasource' }

/** Of 24. */
const panelWidth = { lines: 8, number: 6 }
const panelHeight = { lines: 8, number: 4 }

/** Grafana's JSON of a dashboard, as Grafana's own library builds it. */
export function renderDashboard({ name, title, description, variables, rows }: DashboardSpec): string {
  const dashboard = new DashboardBuilder(title)
    .uid(`keymount-${name}`)
    .description(description)
    .tags(['keymount'])
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
  for (const variable of variables) dashboard.withVariable(variableOf(variable))
  let id = 0
  for (const { title: rowTitle, panels } of rows) {
    id += 1
    dashboard.withRow(new RowBuilder(rowTitle).id(id))
    for (const panel of panels) {
      id += 1
      dashboard.withPanel(panelOf(panel).id(id))
    }
  }
  return `${JSON.stringify(dashboard.build(), undefined, 1)}\n`
}

function variableOf({ name, metric }: VariableSpec): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(datasource)
    .query({ query: `label_values(${metric}, ${name})`, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: 'All', value: '$__all' })
}

function panelOf({ title, description, kind, unit, queries, limit }: PanelSpec): LinesBuilder | NumberBuilder {
  const panel = kind === 'lines' ? linesPanel(limit) : new NumberBuilder()
  panel
    .title(title)
    .datasource(datasource)
    .unit(unit)
    .span(panelWidth[kind])
    .height(panelHeight[kind])
    .thresholds(thresholdsOf(limit))
  if (description !== undefined) panel.description(description)
  queries.forEach(({ expr, legend }, i) => {
    const query = new DataqueryBuilder()
      .refId(String.fromCharCode(65 + i))
      .expr(expr)
      .legendFormat(legend)
    panel.withTarget(kind === 'lines' ? query.range() : query.instant())
  })
  return panel
}

function linesPanel(limit: number | undefined): LinesBuilder {
  const panel = new LinesBuilder()
    .min(0)
    .lineWidth(1)
    .fillOpacity(10)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  if (limit === undefined) return panel
  return panel.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line))
}

function thresholdsOf(limit: number | undefined): ThresholdsConfigBuilder {
  const steps = [{ value: null, color: 'green' }, ...(limit === undefined ? [] : [{ value: limit, color: 'red' }])]
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps)
}
