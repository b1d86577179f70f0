import { AdmissionDenied } from './admission-denied.ts'
import { envAnnotation, wantedVariables } from './env-files.ts'
import { notifyAnnotation, parseNotify } from './notify-sidecar.ts'
import { type AdmittedPod, parsePod } from './parse-pod.ts'

export interface AnnotationProblem {
  annotation: string
  message: string
}

/** For which annotations of Keymount the webhook of any cluster refuses a pod, and why. Empty when the object has not the shape of a pod. */
export function annotationProblems(object: unknown): AnnotationProblem[] {
  let pod: AdmittedPod
  try {
    pod = parsePod(object)
  } catch {
    return []
  }
  return [
    ...problemOf(envAnnotation, pod, (text) => wantedVariables(pod, text)),
    ...problemOf(notifyAnnotation, pod, parseNotify),
  ]
}

function problemOf(annotation: string, pod: AdmittedPod, parse: (text: string) => unknown): AnnotationProblem[] {
  const text = pod.annotations[annotation]
  if (text === undefined) return []
  try {
    parse(text)
    return []
  } catch (error) {
    if (error instanceof AdmissionDenied)
      return [{ annotation, message: error.message.replace(`annotation ${annotation}: `, '') }]
    throw error
  }
}
