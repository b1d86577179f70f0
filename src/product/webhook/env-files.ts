import { type EnvVar, envName, podAnnotations } from '#kubernetes/client'
import { beyondLimit, formatProblem, Problems } from '#lib'
import { recordOf, stringOf } from '#lib/formats'
import { isInside, variableName } from '#product/env-file'
import type { EnvCode } from '#product/error-catalogue'
import { asUser, leastRights, type NewContainer, proxyInitName, proxyName } from '#product/proxy'
import { AdmissionDenied } from './admission-denied.ts'
import { classOf } from './class-volumes.ts'
import { webhookLimits } from './limits.ts'
import { notifyName } from './notify-sidecar.ts'
import type { AdmittedContainer, AdmittedPod, AdmittedVolume } from './parse-pod.ts'
import type { WebhookSettings } from './webhook-settings.ts'

const { env: envAnnotation, envContainers: envContainersAnnotation } = podAnnotations
const secretsDirectory = '/mnt/keymount'
const envDirectory = '/env'
const envFile = 'secrets.env'
/** Not root, and not a user that a program of the application is likely to have. */
const ownUser = 65_532

/** What a pod needs so that its containers have the variables that its annotation asks for. */
export interface EnvFiles {
  initContainer: NewContainer
  volume: AdmittedVolume
  /** The variables of a container; empty for one that gets none. */
  variablesOf(container: string): readonly EnvVar[]
}

/**
 * Environment variables from a file that an init container writes to memory: no value is in the pod's manifest, in a Secret
 * or in etcd. Undefined without the annotation. Throws {@link AdmissionDenied} for what cannot work.
 */
export function envFiles(pod: AdmittedPod, { envFiles: support, proxy }: WebhookSettings): EnvFiles | undefined {
  const text = pod.annotations[envAnnotation]
  if (text === undefined) return undefined
  if (support === undefined)
    throw denied('env-not-enabled', 'the webhook of this cluster does not add environment variables (--env-files)')
  if (support.problem !== undefined) throw denied('env-not-supported', support.problem)
  const { sources, chosen } = wantedVariables(pod, text)
  const volume = { name: envName, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }
  const variables = sources.map(({ name }): EnvVar => {
    return { name, valueFrom: { fileKeyRef: { volumeName: envName, path: envFile, key: name, optional: false } } }
  })
  const volumes = [...new Set(sources.map((source) => source.volume))]
  return {
    initContainer: {
      name: envName,
      image: proxy.image,
      imagePullPolicy: 'IfNotPresent',
      args: [
        'env-file',
        `--from=${secretsDirectory}`,
        `--to=${envDirectory}/${envFile}`,
        ...sources.map((source) => `--map=${source.name}=${source.volume}/${source.file}`),
      ],
      resources: proxy.initResources,
      volumeMounts: [
        ...volumes.map((name) => ({ name, mountPath: `${secretsDirectory}/${name}`, readOnly: true })),
        { name: envName, mountPath: envDirectory },
      ],
      securityContext: {
        ...leastRights,
        // The user of the whole pod may read what its application may.
        ...(pod.runsAsUser ? {} : asUser(ownUser)),
      },
      // What is wrong is then in the status of the pod. No message has a value.
      terminationMessagePolicy: 'FallbackToLogsOnError',
    },
    volume,
    variablesOf: (container) => (chosen.has(container) ? variables : []),
  }
}

/** What the annotations of a pod ask for. Throws {@link AdmissionDenied} with everything that is wrong with them. */
export function wantedVariables(pod: AdmittedPod, text: string): { sources: Source[]; chosen: Set<string> } {
  const problems = new Problems()
  const sources = parseVariables(text, pod, problems.at(`annotation ${envAnnotation}`))
  const chosen = containersWithVariables(pod, problems.at(`annotation ${envContainersAnnotation}`))
  checkVolume(pod, problems)
  const uses = sources.length * chosen.size
  if (uses > webhookLimits.envVariables.value) problems.add('', beyondLimit(webhookLimits.envVariables, uses))
  if (problems.count > 0) throw denied('env-annotation-invalid', problems.list.map(formatProblem).join('; '))
  return { sources, chosen }
}

function denied(code: EnvCode, message: string): AdmissionDenied {
  return new AdmissionDenied(
    `${code === 'env-annotation-invalid' ? '' : `annotation ${envAnnotation}: `}${message} [${code}]`,
  )
}

interface Source {
  name: string
  volume: string
  file: string
}

function parseVariables(text: string, { volumes = [] }: AdmittedPod, problems: Problems): Source[] {
  if (text.length > webhookLimits.envAnnotation.value) {
    problems.add('', beyondLimit(webhookLimits.envAnnotation, text.length))
    return []
  }
  const classes = volumesOfClasses(volumes)
  if (classes.size === 0) problems.add('', 'the pod has no volume of a SecretProviderClass')
  const known = firstNames(classes.keys())
  const sources = new Map<string, Source>()
  for (const word of wordsOf(text)) {
    const [name = '', ...rest] = word.split('=')
    const from = rest.join('=')
    const colon = from.indexOf(':')
    const [className, file] = colon < 0 ? [undefined, from] : [from.slice(0, colon), from.slice(colon + 1)]
    if (!variableName.test(name) || !isInside(file) || file.includes(',')) {
      problems.unexpected('', word, 'VARIABLE=FILE or VARIABLE=CLASS:FILE')
      continue
    }
    const volume = volumeOf(name, className, { classes, known }, problems)
    if (sources.has(name)) problems.add(`, ${name}`, 'given twice')
    else if (volume !== undefined) sources.set(name, { name, volume, file })
  }
  if (sources.size === 0 && problems.count === 0) problems.add('', 'expected at least one VARIABLE=FILE')
  return [...sources.values()]
}

function wordsOf(text: string): string[] {
  const words = text.split(',').map((word) => word.trim())
  return words.filter((word) => word !== '')
}

const namesShown = 10

/** For messages: an annotation may cause as many as it has words, and a pod may have thousands of names. */
function firstNames(names: Iterable<string>): string {
  const all = [...names]
  const more = all.length > namesShown ? ` and ${all.length - namesShown} more` : ''
  const shown = all.slice(0, namesShown).map((name) => name.slice(0, 253))
  return `${shown.join(', ')}${more}`
}

/** The first volume of each class: others of the same class have the same files. */
function volumesOfClasses(volumes: readonly AdmittedVolume[]): Map<string, string> {
  const found = new Map<string, string>()
  for (const volume of volumes) {
    const name = classOf(volume)
    if (name !== undefined && !found.has(name)) found.set(name, volume.name)
  }
  return found
}

function volumeOf(
  variable: string,
  className: string | undefined,
  { classes, known }: { classes: ReadonlyMap<string, string>; known: string },
  problems: Problems,
): string | undefined {
  if (classes.size === 0) return undefined
  if (className === undefined) {
    const [only] = classes.values()
    if (classes.size === 1) return only
    problems.add(`, ${variable}`, `the pod has several classes; expected CLASS:FILE with one of ${known}`)
    return undefined
  }
  const volume = classes.get(className)
  if (volume === undefined) problems.unexpected(`, ${variable}`, className, `a class of the pod: ${known}`)
  return volume
}

/** Those that the webhook adds have no use for the variables. */
const ours: readonly string[] = [proxyName, proxyInitName, notifyName, envName]

function containersWithVariables(pod: AdmittedPod, problems: Problems): Set<string> {
  const all = [...(pod.initContainers ?? []), ...(pod.containers ?? [])].map(({ name }) => name)
  const own = new Set(all.filter((name) => !ours.includes(name)))
  const text = pod.annotations[envContainersAnnotation]
  if (text === undefined) return own
  if (text.length > webhookLimits.envContainersAnnotation.value) {
    problems.add('', beyondLimit(webhookLimits.envContainersAnnotation, text.length))
    return own
  }
  const known = firstNames(own)
  const chosen = new Set(wordsOf(text))
  if (chosen.size === 0) problems.add('', 'expected the name of at least one container')
  for (const name of chosen) if (!own.has(name)) problems.unexpected('', name, `a container of the pod: ${known}`)
  return chosen
}

/** The volume of ours is there in a second round of admission. */
function checkVolume({ volumes = [] }: AdmittedPod, problems: Problems): void {
  const existing = volumes.find(({ name }) => name === envName)
  if (existing !== undefined && recordOf(existing.emptyDir) === undefined)
    problems.add(`volume ${envName}`, 'the name is taken by another volume of the pod; expected no volume of this name')
}

/** Whether a variable of a container is one that the webhook added. */
export function isOurs(variable: NonNullable<AdmittedContainer['env']>[number]): boolean {
  return stringOf(recordOf(recordOf(variable.valueFrom)?.fileKeyRef)?.volumeName) === envName
}
