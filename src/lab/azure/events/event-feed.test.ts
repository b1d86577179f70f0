import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEventFeed } from './event-feed.ts'

const event = (subject: string) => ({ topic: '/vaults/shop', subject, eventType: 'T', eventTime: '', data: {} })
const subjects = ({ events }: { events: readonly { subject: string }[] }) => events.map(({ subject }) => subject)

test('a feed returns the events after the cursor', () => {
  const feed = createEventFeed()
  feed.publish(event('a'))
  const first = feed.after(undefined)
  assert.deepEqual([subjects(first), first.missed], [['a'], false])
  feed.publish(event('b'))
  const second = feed.after(first.next)
  assert.deepEqual([subjects(second), second.missed], [['b'], false])
  assert.deepEqual(subjects(feed.after(second.next)), [])
})

test('a feed reports that events were dropped, or that the cursor is from another feed', () => {
  const feed = createEventFeed(2)
  const { next } = feed.after(undefined)
  for (const subject of ['a', 'b', 'c']) feed.publish(event(subject))
  assert.deepEqual([subjects(feed.after(next)), feed.after(next).missed], [['b', 'c'], true])
  const other = createEventFeed().after(undefined).next
  assert.deepEqual([subjects(feed.after(other)), feed.after(other).missed], [['b', 'c'], true])
  assert.equal(feed.after('nonsense').missed, true)
})

test('wait() ends at the next event, or when its signal aborts', async () => {
  const feed = createEventFeed()
  const { next } = feed.after(undefined)
  const waiting = feed.wait(next, AbortSignal.timeout(60_000))
  feed.publish(event('a'))
  assert.deepEqual(subjects(await waiting), ['a'])
  assert.deepEqual(subjects(await feed.wait(feed.after(undefined).next, AbortSignal.abort())), [])
})
