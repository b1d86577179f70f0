import type { KubeClient } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { requireAnswers } from '../cluster/require-answers.ts'
import { cleanText } from '../status/clean-text.ts'

/** Whether the API server still answers: a watch that is interrupted only tries again. */
export interface Pulse {
  /**
   * Why it does not, by the last answer; null where it does, and where it was not asked for a while. Asks again when the answer
   * is some seconds old.
   */
  problem(): string | null
}

const everyMs = 5000
const timeoutMs = 5000
/** How long an answer counts that was not read: the first browser after an outage must not see the outage. */
const unreadMs = 15_000

/** Asks only while a browser follows rows: each line of a stream calls it. */
export function createPulse(kube: KubeClient, signal: AbortSignal): Pulse {
  const state = {
    problem: null as string | null,
    isAsking: false,
    askedAt: performance.now(),
    readAt: performance.now(),
  }
  const ask = async () => {
    state.isAsking = true
    const problem = await problemOf(kube, signal)
    Object.assign(state, { problem, isAsking: false, askedAt: performance.now() })
  }
  return {
    problem() {
      const now = performance.now()
      if (now - state.readAt > unreadMs) state.problem = null
      state.readAt = now
      if (!state.isAsking && now - state.askedAt > everyMs) void ask()
      return state.problem
    },
  }
}

async function problemOf(kube: KubeClient, signal: AbortSignal): Promise<string | null> {
  try {
    await requireAnswers(kube, { timeoutMs, signal })
    return null
  } catch (error) {
    return cleanText(errorMessage(error))
  }
}
