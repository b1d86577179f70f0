/** kubernetes/volume-files */
export * from './file-path.ts'
export * from './mounted-files.ts'
export * from './parse-file-owner.ts'
export type { FileOwner } from './volume-system.ts'
export * from './write-files.ts'
