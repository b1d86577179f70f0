// A bare node:https server that answers every request with the same bytes: what the local Azure is measured against.
// Arguments: certificate file, key file, answer file (JSON: headers and body). Prints its port.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

const [cert = '', key = '', answer = ''] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'))
const { headers, body } = JSON.parse(answer) as { headers: Record<string, string>; body: string }
const server = createServer({ cert, key }, (_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
