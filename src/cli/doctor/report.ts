import type { Step } from './step.ts'

/** What `keymount doctor` prints. */
export interface DoctorReport {
  /** As the user names it, with its namespace. */
  target: string
  /** For people. */
  title: string
  steps: readonly Step[]
  /** What is worth knowing beside the table. */
  notes: readonly string[]
}
