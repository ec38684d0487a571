import { expect, it } from 'vitest'
import { createLimits, networkOf } from './limits.ts'

const MINUTE = 60_000
function open() {
  let now = Date.UTC(2026, 0, 1)
  const limits = createLimits({ now: () => now })
  const tries = (n: number, account: string | null, ip: string | ((i: number) => string)): number => {
    let refused = 0
    for (let i = 0; i < n; i++)
      try {
        limits.take('sign-in', account, typeof ip === 'string' ? ip : ip(i))
      } catch (error) {
        expect(error).toMatchObject({ code: 'RATE_LIMITED' })
        expect((error as { retryAfter: number }).retryAfter).toBeGreaterThan(0)
        refused++
      }
    return refused
  }
  return { limits, tries, pass: (ms: number) => (now += ms) }
}
const somewhere = (i: number) => `10.${Math.floor(i / 250)}.${i % 250}.1`

it('networks: a /24, a /56, and IPv4 in the clothes of IPv6', () => {
  expect(networkOf('192.0.2.77')).toBe('192.0.2.0/24')
  expect(networkOf('::ffff:192.0.2.77')).toBe('192.0.2.0/24')
  expect(networkOf('2001:db8:1:22ff:0:0:0:1')).toBe(networkOf('2001:db8:1:2200::9'))
  expect(networkOf('2001:db8:1:2300::1')).not.toBe(networkOf('2001:db8:1:2200::1'))
  expect(networkOf('::1')).toBe(networkOf('0:0:0:0:0:0:0:1'))
  for (const odd of [null, '', 'unix:', 'somewhere']) expect(networkOf(odd)).toBe('unknown')
})

it('[sign-in.limits] one network may try one account ten times in a quarter of an hour', () => {
  const { tries, pass } = open()
  expect(tries(12, 'ada@example.com', '192.0.2.1')).toBe(2)
  expect(tries(1, 'ada@example.com', '192.0.2.250')).toBe(1) // a neighbour in the same network
  expect(tries(1, 'bo@example.com', '192.0.2.1')).toBe(0)
  expect(tries(1, 'ada@example.com', '198.51.100.1')).toBe(0)
  pass(15 * MINUTE)
  expect(tries(1, 'ada@example.com', '192.0.2.1')).toBe(0)
})

it('[sign-in.limits] one network may try sixty times, whoever it names', () => {
  const { tries } = open()
  let refused = 0
  for (let i = 0; i < 70; i++) refused += tries(1, `person${i}@example.com`, '192.0.2.1')
  expect(refused).toBe(10)
})

it('[sign-in.limits] a crowd that tries one account stops where it is, and the person gets in from where they were before', () => {
  const { limits, tries } = open()
  limits.take('sign-in', 'ada@example.com', '192.0.2.1')
  limits.succeeded('sign-in', 'ada@example.com', '192.0.2.1')
  expect(tries(500, 'ada@example.com', somewhere)).toBe(400)
  expect(tries(1, 'ada@example.com', '192.0.2.1')).toBe(0)
  expect(tries(1, 'ada@example.com', '203.0.113.1')).toBe(1)
})

it('[sign-in.limits] a link has no name: a crowd elsewhere keeps nobody from using one', () => {
  const { tries } = open()
  expect(tries(500, null, somewhere)).toBe(0)
  expect(tries(61, null, '192.0.2.1')).toBe(1)
})

it('[sign-in.limits] whoever gets in is forgiven what went before', () => {
  const { limits, tries } = open()
  for (let round = 0; round < 5; round++) {
    expect(tries(9, 'ada@example.com', '192.0.2.1')).toBe(0)
    limits.take('sign-in', 'ada@example.com', '192.0.2.1')
    limits.succeeded('sign-in', 'ada@example.com', '192.0.2.1')
  }
})
