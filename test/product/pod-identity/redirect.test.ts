import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RunProgram, silentLog, systemClock } from '#lib'
import { redirectPods } from '../../../src/product/pod-identity/nmi/redirect.ts'
import { eventually } from '../../support/eventually.ts'
import { type NetworkNamespace, reasonForNoNamespace, startNetworkNamespace } from '../../support/network-namespace.ts'

/** The node endpoint's redirection on the real kernel, in a network namespace as that of a node. */
const skip = reasonForNoNamespace()
const options = skip === undefined ? {} : { skip }

const iptables = '/usr/sbin/iptables-nft'
const expected = [
  '-A aad-metadata ! -s 127.0.0.1/32 -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:2579',
  '-A aad-metadata -j RETURN',
]

async function rules(namespace: NetworkNamespace): Promise<string[]> {
  const { stdout } = await namespace.run([iptables, '-t', 'nat', '-S'])
  return stdout.split('\n').filter((line) => !line.startsWith('-P') && line !== '')
}

/** Programs of netfilter in the namespace, as the daemon runs them on its node. */
const inside =
  (namespace: NetworkNamespace): RunProgram =>
  async ({ program, args, input = '' }) => {
    const script = `${program} ${args.map((word) => `'${word}'`).join(' ')} <<'END'\n${input}END\n`
    const { code, stdout, stderr } = await namespace.run(['sh', '-c', script])
    return { status: code, stdout, stderr }
  }

async function start(namespace: NetworkNamespace, checkMs = 60_000) {
  return redirectPods({
    redirection: { metadataIp: '169.254.169.254', metadataPort: 80, nmiIp: '127.0.0.1', nmiPort: 2579 },
    checkMs,
    run: inside(namespace),
    processStatus: 'CapEff:\tffffffffffffffff',
    log: silentLog,
    clock: systemClock,
  })
}

test('the chain has exactly two rules, its jump comes first, and stop() leaves nothing of it', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  for (const words of [
    ['-N', 'OF_OTHERS'],
    ['-A', 'PREROUTING', '-j', 'OF_OTHERS'],
  ]) {
    await namespace.run([iptables, '-t', 'nat', ...words])
  }
  const others = ['-N OF_OTHERS', '-A PREROUTING -j OF_OTHERS']
  const redirect = await start(namespace)
  assert.equal(redirect.inPlace(), true)
  assert.deepEqual(
    (await rules(namespace)).toSorted(),
    [...others, '-N aad-metadata', '-A PREROUTING -j aad-metadata', ...expected].toSorted(),
  )
  const jumps = (await rules(namespace)).filter((line) => line.startsWith('-A PREROUTING'))
  assert.equal(jumps[0], '-A PREROUTING -j aad-metadata')
  await redirect.stop()
  assert.equal(redirect.inPlace(), false)
  assert.deepEqual(await rules(namespace), others)
})

test(
  'a daemon that starts again, after one that could not take its rules away, makes no second jump',
  options,
  async (t) => {
    const namespace = await startNetworkNamespace(t)
    await start(namespace)
    const redirect = await start(namespace)
    assert.deepEqual(await rules(namespace), ['-N aad-metadata', '-A PREROUTING -j aad-metadata', ...expected])
    await redirect.stop()
  },
)

test('rules that are changed, displaced or removed are restored', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  const redirect = await start(namespace, 50)
  const change = (...words: string[]) => namespace.run([iptables, '-t', 'nat', ...words])
  const stand = () =>
    eventually(async () => {
      const found = await rules(namespace)
      assert.deepEqual(
        found.filter((line) => line.startsWith('-A aad')),
        expected,
      )
      assert.equal(
        found.find((line) => line.startsWith('-A PREROUTING')),
        '-A PREROUTING -j aad-metadata',
      )
      assert.equal(found.filter((line) => line === '-A PREROUTING -j aad-metadata').length, 1)
    })
  await change('-I', 'aad-metadata', '1', '-j', 'RETURN')
  await stand()
  await change('-I', 'PREROUTING', '1', '-j', 'ACCEPT')
  await stand()
  await change('-F')
  await stand()
  await redirect.stop()
})

test('on a node without any packet filter the error names what the container needs', options, async () => {
  const nothing: RunProgram = async () => ({ status: undefined, stdout: '', stderr: '' })
  const redirecting = redirectPods({
    redirection: { metadataIp: '169.254.169.254', metadataPort: 80, nmiIp: '127.0.0.1', nmiPort: 2579 },
    checkMs: 1000,
    run: nothing,
    processStatus: '',
    log: silentLog,
    clock: systemClock,
  })
  await assert.rejects(redirecting, /no packet filter of the node can be used: .*NET_ADMIN and NET_RAW/)
})
