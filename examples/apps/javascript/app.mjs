// A server that accepts the API key in the file api-key of the volume: the new one as soon as it has been rotated.
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { followSecrets } from './secrets.mjs'

const { SECRETS = '/mnt/secrets-store', HOST = '0.0.0.0', PORT = '8080' } = process.env
const sha256 = (data) => createHash('sha256').update(data).digest()

let apiKey
await followSecrets(SECRETS, (files) => {
  const value = files.get('api-key')
  if (value === undefined) throw new Error('the volume has no file api-key')
  apiKey = sha256(value)
})

// The first process of a container ends at SIGTERM only if it asks for it; otherwise Kubernetes waits 30 seconds and kills it.
process.on('SIGTERM', () => process.exit())

const server = createServer((request, response) => {
  const sent = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
  response.writeHead(timingSafeEqual(sha256(sent), apiKey) ? 204 : 401).end()
})
server.listen(Number(PORT), HOST, () => console.log(`listening on port ${server.address().port}`))
