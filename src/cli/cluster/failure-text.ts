/**
 * A driver's error about a volume without upstream's words, which name the pod again: a reader has it already, and pods that
 * fail for the same reason have the same text.
 */
export function failureText(message: string): string {
  return message
    .replace(
      /(^|; )failed to mount secrets store objects for pod \S+, err: (failed to mount objects, error: )?(\[[a-z-]+\]$)?/,
      '',
    )
    .replace(/^failed to mount objects, error: /, '')
}
