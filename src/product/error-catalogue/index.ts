/**
 * product/error-catalogue: every cause why a pod's volume is not mounted, and everything that `keymount doctor` finds, by its
 * stable code, with what it means and how to fix it. Provider, driver and doctor report these codes; `docs/errors.md` and
 * `keymount explain` print the tables. Data alone: the command line loads it without the daemons.
 */
export * from './doctor-findings.ts'
export * from './driver-errors.ts'
export * from './env-findings.ts'
export * from './error-catalogue.ts'
export * from './explanation.ts'
export * from './explanations.ts'
export * from './provider-errors.ts'
export * from './sync-findings.ts'
