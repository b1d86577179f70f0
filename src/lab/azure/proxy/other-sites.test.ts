import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../http/refusal.ts'
import { cloud } from './clouds.ts'
import { servicesOfSites } from './other-sites.ts'
import { routeOfOther } from './served-hosts.ts'

const exchange = {
  host: 'charts.example',
  url: new URL('https://charts.example/index.yaml'),
  requestId: 'id',
  operation: 'unknown',
}

test('a site answers for its host, is counted under it, and refuses in plain text', async () => {
  const site = { host: 'charts.example', answer: async () => new Response('here') }
  const service = servicesOfSites([site]).get('charts.example')
  assert.equal(await (await service?.fetch(new Request(exchange.url), exchange))?.text(), 'here')
  assert.equal(exchange.operation, 'site.charts.example')
  const refusal = service?.refuse(new Refusal(429, 'Throttled', 'later'), exchange)
  assert.equal(refusal?.status, 429)
  assert.equal(await refusal?.text(), 'later\n')
})

test('the refusal of another host names the sites too', () => {
  const route = routeOfOther(cloud, 'example.com', ['charts.example'], undefined)
  assert.equal(route.kind, 'refused')
  assert.match(
    JSON.stringify(route),
    /vault\.azure\.net, \*\.queue\.core\.windows\.net, \*\.eventgrid\.azure\.net, charts\.example, and forwards nothing, because it runs with --offline/,
  )
})
