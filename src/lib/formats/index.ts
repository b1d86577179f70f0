/** lib/formats */
export * from './duration.ts'
export * from './pem.ts'
export * from './pkcs12.ts'
export * from './record-of.ts'
export * from './tar.ts'
