import { type Problem, Problems } from '#lib'
import { parseDuration } from '#lib/formats'
import { parseWindows, type RestartWindow, windowForm } from './restart-window.ts'

/** What users write on a workload, or on its pod template. */
const restartAnnotations = {
  onRotation: 'keymount.dev/restart-on-rotation',
  minInterval: 'keymount.dev/restart-min-interval',
  window: 'keymount.dev/restart-window',
} as const

/** Written by us, on the pod template: the key that it was rolled out for. */
export const restartedForAnnotation = 'keymount.dev/restarted-for'

/** On a SecretSync: `deployment/web,statefulset/db`. */
export const restartTargetsAnnotation = 'keymount.dev/restart'

/** stakater/Reloader's, as far as they are about classes. */
export const reloaderAnnotations = {
  auto: 'reloader.stakater.com/auto',
  ignore: 'reloader.stakater.com/ignore',
  classAuto: 'secretproviderclass.reloader.stakater.com/auto',
  classReload: 'secretproviderclass.reloader.stakater.com/reload',
  classExclude: 'secretproviderclasses.exclude.reloader.stakater.com/reload',
} as const

export interface RestartSettings {
  /** Classes whose changes restart the workload. */
  counts(className: string): boolean
  /** Undefined: the operator's. */
  minIntervalMs: number | undefined
  /** Empty: any time. */
  windows: readonly RestartWindow[]
  /** A workload whose annotations have any is not restarted: what its owner wanted is not known. */
  problems: readonly string[]
}

type Annotations = Readonly<Record<string, string>>

/** The settings of a workload that asks to be restarted; undefined for one that does not. */
export function parseSettings(
  annotations: Annotations,
  { reloader = false }: { reloader?: boolean } = {},
): RestartSettings | undefined {
  const classes = classesOf(annotations) ?? (reloader ? reloaderClasses(annotations) : undefined)
  if (classes === undefined) return undefined
  return { ...optionsOf(annotations), counts: classes }
}

/** The settings of a workload that a SecretSync names: it need not have the annotation itself, but its interval and window count. */
export function targetSettings(annotations: Annotations): RestartSettings {
  return { ...optionsOf(annotations), counts: () => false }
}

function optionsOf(annotations: Annotations): Omit<RestartSettings, 'counts'> {
  const { problems, ...options } = readOptions(annotations)
  return { ...options, problems: problems.list.map(({ path, message }) => `annotation ${path}: ${message}`) }
}

/** The paths of the problems are names of annotations. */
function readOptions(
  annotations: Annotations,
): Pick<RestartSettings, 'minIntervalMs' | 'windows'> & { problems: Problems } {
  const problems = new Problems()
  const { minInterval, window } = restartAnnotations
  const intervalText = annotations[minInterval]
  const minIntervalMs = intervalText === undefined ? undefined : parseDuration(intervalText)
  if (intervalText !== undefined && (minIntervalMs === undefined || minIntervalMs < 0))
    problems.unexpected(minInterval, shown(intervalText), 'a duration such as 5m or 1h30m')
  const windowText = annotations[window]
  const windows = windowText === undefined ? [] : parseWindows(windowText)
  if (windows === undefined) problems.unexpected(window, shown(windowText ?? ''), windowForm)
  return { minIntervalMs, windows: windows ?? [], problems }
}

/** What is wrong with the annotations of a workload, or of its pod template, whose pods mount these classes. */
export function restartProblems(annotations: Annotations, classes: readonly string[]): readonly Problem[] {
  const { onRotation } = restartAnnotations
  const given = settingsIn(annotations) ?? {}
  const { problems } = readOptions(given)
  const text = given[onRotation] ?? ''
  const named = text === 'true' || text === 'false' ? [] : listOf(text)
  for (const name of named.filter((one) => !classes.includes(one)))
    problems.unexpected(onRotation, shown(name), 'true, or classes that the pods mount, separated by commas')
  return problems.list
}

const maxShown = 100

function shown(text: string): string {
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text
}

type Classes = (className: string) => boolean

function classesOf(annotations: Annotations): Classes | undefined {
  const text = annotations[restartAnnotations.onRotation]
  if (text === undefined || text === 'false' || text.trim() === '') return undefined
  return text === 'true' ? () => true : among(text)
}

function reloaderClasses(annotations: Annotations): Classes | undefined {
  const { auto, ignore, classAuto, classReload, classExclude } = reloaderAnnotations
  if (annotations[ignore] === 'true') return undefined
  const excluded = among(annotations[classExclude] ?? '')
  if (annotations[classAuto] === 'true' || annotations[auto] === 'true') return (name) => !excluded(name)
  const named = annotations[classReload]
  if (named === undefined) return undefined
  const included = among(named)
  return (name) => included(name) && !excluded(name)
}

function among(text: string): Classes {
  const names = new Set(listOf(text))
  return (name) => names.has(name)
}

export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

const settingNames: ReadonlySet<string> = new Set([
  ...Object.values(restartAnnotations),
  ...Object.values(reloaderAnnotations),
])

/** The annotations that {@link parseSettings} reads; undefined when there are none. Long ones are cut: no sensible value is. */
export function settingsIn(annotations: Annotations | undefined): Annotations | undefined {
  const found = Object.entries(annotations ?? {}).filter(([name]) => settingNames.has(name))
  if (found.length === 0) return undefined
  return Object.fromEntries(found.map(([name, value]) => [name, value.slice(0, maxLength)]))
}

const maxLength = 2000
