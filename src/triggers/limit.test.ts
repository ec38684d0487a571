import { expect, it } from 'vitest'
import { createLimit } from './limit.ts'

it('[webhooks.limits] a burst passes, then so many a second, and the wait is told', () => {
  let now = 1_000_000
  const limit = createLimit({ burst: 5, perSecond: 2 }, () => now)
  expect(Array.from({ length: 7 }, () => limit.take('a'))).toEqual([null, null, null, null, null, 0.5, 0.5])
  expect(limit.take('b')).toBeNull() // each has its own
  now += 400
  expect(limit.take('a')).toBeCloseTo(0.1)
  now += 100
  expect(limit.take('a')).toBeNull()
  expect(limit.take('a')).toBe(0.5)
  now += 60_000
  expect(Array.from({ length: 6 }, () => limit.take('a')).filter((w) => w === null)).toHaveLength(5) // no more than a burst is saved up
})

it('[webhooks.limits] a clock that jumps back gives nothing away and takes nothing away', () => {
  let now = 1_000_000
  const limit = createLimit({ burst: 2, perSecond: 1 }, () => now)
  expect([limit.take('a'), limit.take('a')]).toEqual([null, null])
  now -= 500_000
  expect(limit.take('a')).toBe(1)
  now += 1_000
  expect(limit.take('a')).toBeNull()
})

it('[webhooks.bounded] made-up ids push out the one that was asked for longest ago, and memory stays what it is', () => {
  const limit = createLimit({ burst: 1, perSecond: 0.001 }, () => 0)
  limit.take('first')
  for (let i = 0; i < 9_999; i++) limit.take(`made up ${i}`)
  expect(limit.take('first')).not.toBeNull()
  for (let i = 0; i < 9_999; i++) limit.take(`more ${i}`)
  expect(limit.take('first')).not.toBeNull()
  for (let i = 0; i < 10_000; i++) limit.take(`most ${i}`)
  expect(limit.take('first')).toBeNull()
})
