/** lib/files */
export * from './journal.ts'
export * from './lock-directory.ts'
export * from './make-directories.ts'
export * from './mount-table.ts'
export * from './replace-file.ts'
