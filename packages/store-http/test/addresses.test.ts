import t from 'tap'
import { isPublic, parseAddress, parseRange } from '../src/address.ts'
import { createHostRules } from '../src/host-rules.ts'

const refused = [
  ...['0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255'],
  ...['127.0.0.1', '127.255.255.255', '169.254.0.0', '169.254.169.254', '169.254.255.255'],
  ...['172.16.0.0', '172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.88.99.1'],
  ...['192.168.0.0', '192.168.255.255', '198.18.0.0', '198.19.255.255', '198.51.100.1'],
  ...['203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
  ...['::', '::1', '::7f00:1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:0:127.0.0.1'],
  ...['64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '64:ff9b:1:7f00:0:100::', '100::1', '2001::1'],
  ...['2001:0:7f00:1::', '2001:1ff::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', '5f00::1'],
  ...['fc00::1', 'fd00:ec2::254', 'fdff::1', 'fe80::1', 'febf::1', 'fec0::1', 'ff02::1', '4000::1'],
  // Even where everybody could be reached through them, somebody else decides who is.
  ...['::ffff:93.184.216.34', '64:ff9b::5db8:d822', '2002:5db8:d822::1'],
  // ISATAP: a tunnel to 10.0.0.1 within a public prefix
  ...['2606:4700::5efe:a00:1', '2606:4700::200:5efe:a00:1']
]

const open = [
  ...['1.1.1.1', '9.255.255.255', '11.0.0.0', '93.184.216.34', '100.63.255.255', '100.128.0.0'],
  ...['126.255.255.255', '128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255'],
  ...['172.32.0.0', '192.0.1.0', '192.0.3.0', '192.167.255.255', '192.169.0.0', '198.17.255.255'],
  ...['198.20.0.0', '223.255.255.255', '2001:200::1', '2606:4700::1111', '2a00:1450::1'],
  ...['2606:4700::5efe:5db8:d822', '3ffe:ffff::1']
]

t.test('S-18 S-20 only addresses that everybody means alike are public', async (t) => {
  const judge = (text: string) => {
    const address = parseAddress(text)
    return address !== undefined && isPublic(address)
  }
  for (const text of refused) t.equal(judge(text), false, text)
  for (const text of open) t.equal(judge(text), true, text)
})

t.test('only addresses in their plain form are addresses', async (t) => {
  const odd = ['127.1', '2130706433', '0x7f000001', '017700000001', '0', '127.0.0.01', '①②⑦.0.0.1']
  for (const text of [...odd, '', 'localhost', '[::1]', 'fe80::1%eth0', '1.1.1.1 ', '1.1.1.1/32']) {
    t.equal(parseAddress(text), undefined, text)
  }
})

t.test('ranges', async (t) => {
  for (const text of ['10.0.0.0/8', '::/0', '10.1.2.3', 'fd00::/8', '::ffff:10.0.0.0/104']) {
    t.ok(parseRange(text), text)
  }
  for (const text of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10/8'
  ]) {
    t.equal(parseRange(text), undefined, text)
  }
})

t.test('S-20 what a site allows and denies', async (t) => {
  const own = () => ['93.184.216.34', '2606:4700::1', '127.0.0.1']
  const rules = createHostRules(
    {
      allow: ['10.1.0.0/16', 'FD00:1::/32', 'Mirror.Example', '169.254.0.0/16', '127.0.0.1'],
      deny: ['10.1.2.3', '198.41.0.0/24', 'tank.example', '2606:4700:10::/48']
    },
    own
  )
  const permits = (text: string, isAllowed = false) => rules.permits(text, isAllowed)
  t.ok(permits('10.1.0.1'), 'in an allowed range')
  t.ok(permits('::ffff:10.1.0.1'), 'the same host, otherwise written')
  t.ok(permits('fd00:1::5'))
  t.ok(permits('192.168.1.1', true), 'behind an allowed name')
  t.ok(permits('127.0.0.1'), 'our own, but allowed')
  t.notOk(permits('10.2.0.1'))
  t.notOk(permits('93.184.216.34'), 'our own address, though it is public')
  t.notOk(permits('2606:4700::1'))
  for (const text of ['10.1.2.3', '::ffff:10.1.2.3', '198.41.0.4', '2606:4700:10::1']) {
    t.notOk(permits(text), `${text} is denied`)
    t.notOk(permits(text, true), `${text} is denied behind every name`)
  }
  const metadata = ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16']
  for (const text of [...metadata, '::ffff:169.254.169.254', '2002:a9fe:a9fe::1']) {
    t.notOk(permits(text, true), `${text} is opened by no list`)
  }
  t.ok(rules.allowsName('mirror.example'))
  t.notOk(rules.allowsName('a.mirror.example'))
  for (const name of ['tank.example', 'metadata.google.internal', 'localhost', 'a.localhost']) {
    t.ok(rules.deniesName(name), name)
  }
  t.notOk(createHostRules({ allow: ['localhost'], deny: [] }).deniesName('localhost'))
})

t.test('a list with an entry that means nothing is refused', async (t) => {
  for (const entry of ['10.0.0.0/33', '127.1', '0x7f.1', '*.example.org', 'a b', 'http://a', 'ä']) {
    t.throws(
      () => createHostRules({ allow: [entry], deny: [] }),
      { message: `allow: "${entry}" is no host name, address or range of addresses` },
      entry
    )
    t.throws(() => createHostRules({ allow: [], deny: [entry] }), { message: /^denyHosts: / })
  }
})
