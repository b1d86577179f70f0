/**
 * charts: the Helm charts of the package, put together and packaged without helm, and a repository of them over HTTP.
 * The charts with the names of upstream's (`csi-secrets-store-provider-azure`, …) carry charts/keymount inside: its
 * templates are in one place, and what a thin chart adds is names and the translation of values.
 */

export { type ChartRepository, createChartRepository } from './chart-repository.ts'
export { type ChartServer, startChartServer } from './chart-server.ts'
export { clusterDefaults, defaultsInCluster } from './defaults-in-cluster.ts'
export {
  type ChartImage,
  type ChartSourceOptions,
  chartNames,
  type PackagedChart,
  packageCharts,
} from './package-charts.ts'
export { type ChartSite, publicChartSites } from './public-sites.ts'
