/**
 * product/error-catalogue: every cause why a pod's volume is not mounted, by its stable code, with what it means and how to fix
 * it. Provider and driver report these codes; `docs/errors.md` and `keymount explain` print the table. Data alone: the command
 * line loads it without the daemons.
 */
export * from './error-catalogue.ts'
export * from './passing-errors.ts'
