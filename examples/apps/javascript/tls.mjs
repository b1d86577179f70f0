// An HTTPS server with the certificate in the file tls.pem of the volume: new connections get the renewed one.
import { createServer } from 'node:https'
import { followSecrets } from './secrets.mjs'

const { SECRETS = '/mnt/secrets-store', HOST = '0.0.0.0', PORT = '8443' } = process.env
const server = createServer((_, response) => response.end('hello\n'))

await followSecrets(SECRETS, (files) => {
  const pem = files.get('tls.pem') // private key, then the certificates, leaf first
  if (pem === undefined) throw new Error('the volume has no file tls.pem')
  server.setSecureContext({ key: pem, cert: pem })
})

// The first process of a container ends at SIGTERM only if it asks for it; otherwise Kubernetes waits 30 seconds and kills it.
process.on('SIGTERM', () => process.exit())

server.listen(Number(PORT), HOST, () => console.log(`listening on port ${server.address().port}`))
