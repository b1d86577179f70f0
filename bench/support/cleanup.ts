import type { TestContext } from 'node:test'

/** Stands in for a test where the helpers of tests are used in a benchmark: remembers what to stop. */
export function createCleanup(): { t: TestContext; run(): Promise<void> } {
  const steps: (() => unknown)[] = []
  const t = { after: (step: () => unknown) => steps.push(step) }
  return {
    t: t as unknown as TestContext,
    async run() {
      // A step may add one, which comes next.
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) await step()
    },
  }
}
