import type { AnnotationChecks, LintFile } from '#azure/lint'

/** The webhook's and the operator's own parsers of annotations, loaded only for manifests that have some. */
export async function annotationChecks(files: readonly LintFile[]): Promise<AnnotationChecks | undefined> {
  if (!files.some(({ text }) => text.includes('keymount.dev/'))) return undefined
  const [webhook, operator] = await Promise.all([import('#product/webhook'), import('#product/operator')])
  return { ofPod: webhook.annotationProblems, ofWorkload: operator.restartProblems }
}
