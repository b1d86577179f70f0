/** lib/formats */
export * from './duration.ts'
export * from './json.ts'
export * from './pem.ts'
export * from './pkcs12.ts'
export * from './tar.ts'
export * from './unknown-json.ts'
export * from './wrap-text.ts'
export * from './x509.ts'
