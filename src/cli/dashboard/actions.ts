import type { KubeClient } from '#kubernetes/client'
import { failureText } from '../cluster/failure-text.ts'
import { examineTarget } from '../doctor/examine-target.ts'
import { parseTarget } from '../doctor/target.ts'
import { withDeadlines } from '../doctor/with-deadlines.ts'
import { requestRotation, statusesOf } from '../rotate/rotate.ts'
import { waitForOutcomes } from '../rotate/volume-outcome.ts'
import { cleanCommands, cleanName, cleanText } from '../status/clean-text.ts'

/** The result of a rotation as the page shows it. */
export interface RotationAnswer {
  /** By outcome, how many volumes. */
  counts: Readonly<Record<string, number>>
  /** Why volumes failed or did not answer, each reason once. */
  reasons: readonly string[]
}

const rotationMs = 45_000

/** `keymount rotate`, with the caller's rights. */
export async function rotateNow(
  kube: KubeClient,
  ref: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<RotationAnswer> {
  const before = await statusesOf(kube, ref)
  const request = await requestRotation(kube, ref)
  const read = () => statusesOf(kube, ref)
  const outcomes = await waitForOutcomes(before, { read, request, timeoutMs: rotationMs, signal })
  const counts: Record<string, number> = {}
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
  const reasons = outcomes.flatMap(({ reason }) => (reason === null ? [] : cleanText(failureText(reason))))
  return { counts, reasons: [...new Set(reasons)].slice(0, 5) }
}

export interface DoctorAnswer {
  title: string
  steps: readonly { id: string; title: string; state: string; code: string; found: string; fix: readonly string[] }[]
}

export interface DoctorWorld {
  kube: KubeClient
  packageRoot: string
  kubeconfig: string
}

const requestMs = 10_000

/** `keymount doctor` of a pod, a class, a node or a SecretSync, without Azure. It changes nothing. */
export async function runDoctorNow(
  { kube, packageRoot, kubeconfig }: DoctorWorld,
  { target, namespace }: { target: string; namespace: string },
  signal: AbortSignal,
): Promise<DoctorAnswer> {
  const report = await examineTarget({
    target: parseTarget(target),
    namespace,
    givenNamespace: namespace === '' ? undefined : namespace,
    kube: withDeadlines(kube, { timeoutMs: requestMs, signal }),
    azure: undefined,
    probe: false,
    packageRoot,
    kubeconfig,
    signal,
  })
  return {
    title: cleanText(report.target),
    steps: report.steps.map(({ id, title, state, code = '', found = '', fix = [] }) => ({
      ...{ id, title, state, code: cleanName(code), found: cleanText(found), fix: cleanCommands(fix) },
    })),
  }
}
