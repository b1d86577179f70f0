import { formatProblem, Problems } from '#lib'
import { parseDuration } from '#lib/formats'
import { type ActionWords, actionsOf } from '#product/notify'
import { asUser, leastRights, type NewContainer } from '#product/proxy'
import { AdmissionDenied } from './admission-denied.ts'
import { classOf } from './class-volumes.ts'
import type { AdmittedPod } from './parse-pod.ts'
import type { WebhookSettings } from './webhook-settings.ts'

export const notifyName = 'keymount-notify'
/** `post=http://127.0.0.1:9000/-/reload`, `signal=HUP process=nginx`, `exit-code=88`; also `settle=1s`. */
export const notifyAnnotation = 'keymount.dev/notify'

const mountDirectory = '/mnt/keymount'
const maxLength = 2000
const words = ['post', 'signal', 'process', 'exit-code'] as const
/** Not root, and not a user that a program of the application is likely to have. */
const ownUser = 65_532

/**
 * The sidecar that notifies the application of changed secrets, as the pod's annotation asks for; undefined without
 * one. It gets every volume of a SecretProviderClass, and no token. Throws {@link AdmissionDenied}.
 */
export function notifyContainer(
  { annotations, volumes = [] }: AdmittedPod,
  { proxy, restartsAllContainers = false }: WebhookSettings,
): NewContainer | undefined {
  const text = annotations[notifyAnnotation]
  if (text === undefined) return undefined
  const { flags, exitCode, hasSignal } = parseNotify(text)
  const names = volumes.filter((volume) => classOf(volume) !== undefined).map(({ name }) => name)
  if (names.length === 0)
    throw new AdmissionDenied(`annotation ${notifyAnnotation}: the pod has no volume of a SecretProviderClass to watch`)
  if (exitCode !== undefined && !restartsAllContainers)
    throw new AdmissionDenied(
      `annotation ${notifyAnnotation}: exit-code needs a cluster that restarts all containers of a pod (action RestartAllContainers): Kubernetes 1.37, or 1.36 with its feature gate. Use post or signal, or restart the workload (keymount.dev/restart-on-rotation)`,
    )
  const rule = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [exitCode] } }
  return {
    name: notifyName,
    image: proxy.image,
    imagePullPolicy: 'IfNotPresent',
    args: ['notify', ...names.map((name) => `--watch=${mountDirectory}/${name}`), ...flags],
    volumeMounts: names.map((name) => ({ name, mountPath: `${mountDirectory}/${name}`, readOnly: true })),
    securityContext: {
      ...leastRights,
      // A signal reaches processes of the same user only: that of the pod.
      ...(hasSignal ? {} : asUser(ownUser)),
    },
    restartPolicy: proxy.nativeSidecar ? 'Always' : undefined,
    restartPolicyRules: exitCode === undefined ? undefined : [rule],
  }
}

/** Throws {@link AdmissionDenied} for an annotation that asks for nothing that exists. */
export function parseNotify(text: string): { flags: string[]; exitCode: number | undefined; hasSignal: boolean } {
  const problems = new Problems()
  const given = new Map<string, string>()
  for (const word of text
    .slice(0, maxLength)
    .split(/\s+/)
    .filter((one) => one !== '')) {
    const [name = '', ...rest] = word.split('=')
    if ((words as readonly string[]).includes(name) || name === 'settle') given.set(name, rest.join('='))
    else problems.unexpected('', word, 'post=URL, signal=NAME process=NAME, exit-code=NUMBER or settle=DURATION')
  }
  const settle = given.get('settle')
  if (settle !== undefined && parseDuration(settle) === undefined)
    problems.unexpected('settle', settle, 'a duration such as 500ms')
  const asked = Object.fromEntries(words.map((name) => [name, given.get(name) ?? ''])) as Omit<ActionWords, 'command'>
  const actions = actionsOf({ ...asked, command: '' }, problems, '')
  if (problems.count > 0)
    throw new AdmissionDenied(`annotation ${notifyAnnotation}: ${problems.list.map(formatProblem).join('; ')}`)
  return {
    flags: [...given].map(([name, value]) => `--${name}=${value}`),
    exitCode: actions.find((action) => action.kind === 'exit-code')?.code,
    hasSignal: actions.some(({ kind }) => kind === 'signal'),
  }
}
