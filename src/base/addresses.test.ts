import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, canonicalHost, judge, readings } from './addresses.ts'

/** address, rule, forever. What stands in brackets or in odd bases is what people write into URLs. */
const REFUSED: readonly (readonly [string, string, boolean])[] = [
  ['127.0.0.1', 'loopback', false],
  ['127.255.255.254', 'loopback', false],
  ['127.1', 'loopback', false],
  ['2130706433', 'loopback', false],
  ['0x7f000001', 'loopback', false],
  ['0x7f.1', 'loopback', false],
  ['0177.0.0.1', 'loopback', false],
  ['017700000001', 'loopback', false],
  ['127.0.0.1.', 'loopback', false],
  ['0.0.0.0', 'unspecified', false],
  ['0', 'unspecified', false],
  ['0.1.2.3', 'this-network', false],
  ['10.0.0.0', 'private', false],
  ['10.255.255.255', 'private', false],
  ['0xa.0.0.1', 'private', false],
  ['172.16.0.1', 'private', false],
  ['172.31.255.255', 'private', false],
  ['192.168.0.1', 'private', false],
  ['192.168.257', 'private', false],
  ['169.254.0.1', 'link-local', true],
  ['169.254.169.254', 'metadata', true],
  ['0xa9fea9fe', 'metadata', true],
  ['2852039166', 'metadata', true],
  ['0251.0376.0251.0376', 'metadata', true],
  ['169.254.43518', 'metadata', true],
  ['169.254.170.2', 'metadata', true],
  ['169.254.170.23', 'metadata', true],
  ['169.254.42.42', 'metadata', true],
  ['169.254.0.23', 'metadata', true],
  ['100.100.100.200', 'metadata', true],
  ['168.63.129.16', 'metadata', true],
  ['192.0.0.192', 'metadata', true],
  ['100.64.0.1', 'carrier-nat', false],
  ['100.127.255.255', 'carrier-nat', false],
  ['192.0.0.1', 'protocol-assignments', false],
  ['192.0.2.1', 'documentation', false],
  ['198.51.100.7', 'documentation', false],
  ['203.0.113.9', 'documentation', false],
  ['192.88.99.1', '6to4-relay', false],
  ['198.18.0.1', 'benchmarking', false],
  ['198.19.255.255', 'benchmarking', false],
  ['224.0.0.1', 'multicast', false],
  ['239.255.255.255', 'multicast', false],
  ['240.0.0.1', 'reserved', false],
  ['255.255.255.255', 'broadcast', false],
  ['::', 'unspecified', false],
  ['[::]', 'unspecified', false],
  ['::1', 'loopback', false],
  ['0:0:0:0:0:0:0:1', 'loopback', false],
  ['[::7f00:1]', 'v4-compatible', false],
  ['::127.0.0.1', 'v4-compatible', false],
  ['::8.8.8.8', 'v4-compatible', false],
  ['::169.254.169.254', 'metadata', true],
  ['[::ffff:7f00:1]', 'v4-mapped', false],
  ['::ffff:127.0.0.1', 'v4-mapped', false],
  ['0:0:0:0:0:ffff:10.0.0.1', 'v4-mapped', false],
  ['::ffff:8.8.8.8', 'v4-mapped', false],
  ['::ffff:169.254.169.254', 'metadata', true],
  ['::FFFF:A83F:8110', 'metadata', true],
  ['::ffff:0:127.0.0.1', 'v4-translated', false],
  ['64:ff9b::7f00:1', 'nat64', false],
  ['64:ff9b::8.8.8.8', 'nat64', false],
  ['64:ff9b::a9fe:a9fe', 'metadata', true],
  ['64:ff9b:1::10.0.0.1', 'nat64', false],
  ['64:ff9b:1::169.254.169.254', 'metadata', true],
  ['64:ff9b:1:a9fe:a9:fe00::', 'metadata', true],
  ['2002:7f00:1::', '6to4', false],
  ['2002:a9fe:a9fe::1', 'metadata', true],
  ['2001::1', 'teredo', false],
  ['2001:0:a9fe:a9fe::1', 'metadata', true],
  ['2001:0:4136:e378:8000:63bf:5601:5601', 'metadata', true],
  ['2001:2::1', 'benchmarking', false],
  ['2001:10::1', 'protocol-assignments', false],
  ['2001:db8::1', 'documentation', false],
  ['3fff::1', 'documentation', false],
  ['100::1', 'discard', false],
  ['fc00::1', 'unique-local', false],
  ['fd12:3456::1', 'unique-local', false],
  ['fd00:ec2::254', 'metadata', true],
  ['fd00:ec2::23', 'metadata', true],
  ['fd20:ce::254', 'metadata', true],
  ['fd00:c1::a9fe:a9fe', 'metadata', true],
  ['fd00:42::42', 'metadata', true],
  ['fe80::1', 'link-local', false],
  ['fe80::1%eth0', 'link-local', false],
  ['[fe80::a9fe:a9fe%25eth0]', 'metadata', true],
  ['fec0::1', 'site-local', false],
  ['ff02::1', 'multicast', false],
  ['4000::1', 'not-global', false],
  ['200::1', 'not-global', false],
  ['2606:4700::5efe:7f00:1', 'isatap', false],
  ['2606:4700::200:5efe:a9fe:a9fe', 'metadata', true],
  ['2606:4700::1%eth0', 'zone', false],
  ['localhost', 'not-an-address', true],
  ['', 'not-an-address', true],
  ['1.2.3.4/8', 'not-an-address', true],
  ['::1::', 'not-an-address', true],
]

const OPEN = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '168.63.129.17',
  '169.253.255.255',
  '172.15.255.255',
  '172.32.0.0',
  '192.0.1.1',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
  '2001:200::1',
  '2001:4860:4860::8888',
  '2606:4700:4700::1111',
  '[2a00:1450:4001:80e::200e]',
]

describe('judge', () => {
  it.each(REFUSED)('[egress.private-refused] refuses %s as %s', (address, rule, forever) => {
    expect(judge(address)).toEqual({ ok: false, rule, forever })
  })

  it.each(OPEN)('lets %s through', (address) => {
    expect(judge(address)).toEqual({ ok: true })
  })

  it('[egress.private-refused] an IPv4 address is refused in every IPv6 form, and for good when it is in itself', () => {
    const seed = Number(process.hrtime.bigint() % 2_147_483_647n)
    console.log(`addresses: seed ${seed}`)
    const blocks: readonly (readonly [number, number])[] = [
      [0x0a000000, 8],
      [0xac100000, 12],
      [0xc0a80000, 16],
      [0x7f000000, 8],
      [0xa9fe0000, 16],
      [0x64400000, 10],
      [0xe0000000, 4],
      [0xf0000000, 4],
      [0xa83f8110, 32],
    ]
    const inBlock = fc.constantFrom(...blocks).chain(([net, bits]) => {
      const top = 2 ** (32 - bits) - 1
      return fc.integer({ min: 0, max: top }).map((host) => net + host)
    })
    const forms: ((v4: number) => string)[] = [
      (v4) => `::${hex(v4)}`,
      (v4) => `::ffff:${hex(v4)}`,
      (v4) => `[::ffff:${dotted(v4)}]`,
      (v4) => `::ffff:0:${hex(v4)}`,
      (v4) => `64:ff9b::${hex(v4)}`,
      (v4) => `64:ff9b:1::${hex(v4)}`,
      (v4) => `64:ff9b:1:${(v4 >>> 16).toString(16)}:${((v4 >>> 8) & 255).toString(16)}:${((v4 & 255) << 8).toString(16)}::`,
      (v4) => `2002:${hex(v4)}::1`,
      (v4) => `2001:0:${hex(v4)}::1`,
      (v4) => `2001:0:808:808:0:0:${hex(~v4 >>> 0)}`,
    ]
    fc.assert(
      fc.property(inBlock, fc.constantFrom(...forms), (v4, form) => {
        const inner = judge(String(v4))
        const outer = judge(form(v4))
        expect(inner.ok).toBe(false)
        expect(outer.ok).toBe(false)
        expect(judge(dotted(v4))).toEqual(inner)
        if (!inner.ok && inner.forever) expect(outer).toEqual(inner)
      }),
      { seed, numRuns: 2_000 },
    )
  })

  it('reads the same bytes out of every spelling of an IPv6 address', () => {
    const seed = Number(process.hrtime.bigint() % 2_147_483_647n)
    console.log(`addresses: seed ${seed}`)
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const long = groups.map((one) => one.toString(16).padStart(4, '0')).join(':')
        expect(Buffer.from(bytesOf(canonicalHost(long)!)!).toString('hex')).toBe(long.replaceAll(':', ''))
        expect(judge(long)).toEqual(judge(`[${long.toUpperCase()}]`))
      }),
      { seed, numRuns: 500 },
    )
  })
})

describe('canonicalHost', () => {
  it('spells equal hosts equally', () => {
    expect(canonicalHost('DB.Internal')).toBe('db.internal')
    expect(canonicalHost('bücher.example')).toBe('xn--bcher-kva.example')
    expect(canonicalHost('[0:0::1]')).toBe('::1')
    expect(canonicalHost('0x7f.1')).toBe('127.0.0.1')
    expect(canonicalHost('１２７.0.0.1')).toBe('127.0.0.1')
  })

  it.each([
    '',
    'a b',
    'a/b',
    '/var/run/socket',
    'a:1',
    'u@h',
    'a#b',
    'a?b',
    'fe80::1%eth0',
    '[::1',
    '1.2.3.4.5',
    '256.1.1.1',
    'a\\b',
    'a%2fb',
  ])('sees that %j is no host', (text) => {
    expect(canonicalHost(text)).toBeUndefined()
  })
})

it('reads an address as itself and as the IPv4 address inside it', () => {
  expect(readings('::ffff:127.0.0.1')).toEqual(['::ffff:7f00:1', '127.0.0.1'])
  expect(readings('10.1.2.3')).toEqual(['10.1.2.3'])
  expect(readings('name')).toEqual([])
})

const dotted = (v4: number) => [v4 >>> 24, (v4 >>> 16) & 255, (v4 >>> 8) & 255, v4 & 255].join('.')
const hex = (v4: number) => `${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`
