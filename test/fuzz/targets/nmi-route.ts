import assert from 'node:assert/strict'
import { parseRequestTarget, parseTokenQuery } from '#product/imds'
import { routeOf } from '../../../src/product/pod-identity/nmi/route.ts'
import { refuses } from '../expected-error.ts'

/** The target of a request of a pod to the node endpoint. A path that is a token request is never let through as another. */
export function fuzz(data: Buffer): void {
  const target = data.toString('latin1')
  const route = routeOf(target)
  if (/^\/metadata\/identity\/oauth2\/token\/?$/.test(target)) assert.equal(route, 'token')
  const parsed = refuses(() => parseRequestTarget(target))
  if (parsed !== undefined) refuses(() => parseTokenQuery(new URLSearchParams(target.split('?')[1] ?? '')))
}
