import { podAnnotations } from '#kubernetes/client'
import type { Problem } from '#lib'
import { AdmissionDenied } from './admission-denied.ts'
import { wantedVariables } from './env-files.ts'
import { notifyAnnotation, parseNotify } from './notify-sidecar.ts'
import { type AdmittedPod, parsePod } from './parse-pod.ts'

/** For which annotations of Keymount the webhook of any cluster refuses a pod, and why. Empty when the object has not the shape of a pod. */
export function annotationProblems(object: unknown): Problem[] {
  let pod: AdmittedPod
  try {
    pod = parsePod(object)
  } catch {
    return []
  }
  return [
    ...problemOf(podAnnotations.env, pod, (text) => wantedVariables(pod, text)),
    ...problemOf(notifyAnnotation, pod, parseNotify),
  ]
}

function problemOf(annotation: string, pod: AdmittedPod, parse: (text: string) => unknown): Problem[] {
  const text = pod.annotations[annotation]
  if (text === undefined) return []
  try {
    parse(text)
    return []
  } catch (error) {
    if (error instanceof AdmissionDenied)
      return [{ path: annotation, message: error.message.replace(`annotation ${annotation}: `, '') }]
    throw error
  }
}
