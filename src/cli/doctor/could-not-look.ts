import { KubeError } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { CliError } from '#terminal'

/**
 * Runs the examination; what keeps it from looking at all ends with exit status 2, apart from what it finds.
 *
 * @param fixes what makes the cluster answer, first
 */
export async function asCouldNotLook<T>(
  { signal, fixes }: { signal: AbortSignal; fixes: readonly string[] },
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (signal.aborted) throw cause
    if (cause instanceof CliError) {
      const { what, why, fix, detail } = cause
      throw new CliError({ what, why, fix, detail, code: 'usage', cause })
    }
    if (!(cause instanceof KubeError)) throw cause
    const fix =
      cause.status === 403
        ? ['print the rights that it needs: keymount doctor --rbac']
        : [...fixes, 'check --kubeconfig and the cluster']
    throw new CliError({
      what: 'The cluster could not be examined',
      why: errorMessage(cause),
      fix,
      code: 'usage',
      cause,
    })
  }
}
