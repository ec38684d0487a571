import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { createFinder } from './finder.ts'

it.each([12, 6])(
  '[redact.lifetime] what comes and goes for weeks leaves nothing behind: what is kept is as much as is searched for (needles from %i bytes)',
  (shortest) => {
    const finder = createFinder<null>(shortest)
    const stays = randomBytes(40)
    finder.add(stays, null)
    for (let i = 0; i < 30_000; i++) finder.drop([finder.add(randomBytes(40), null)])
    expect(finder.size).toBe(1)
    expect(finder.kept.bits).toBe(2 * 2 ** 16)
    expect(finder.kept.heads).toBeLessThan(2_000)
    const text = Buffer.concat([randomBytes(1_000), stays, randomBytes(1_000)])
    expect(finder.find(text, () => true).spans).toEqual([{ start: 1_000, end: 1_040 }])
  },
)

it('[redact.forms] many at once are found, each where it stands, also after most of them have gone', () => {
  const finder = createFinder<number>(12)
  const needles = Array.from({ length: 5_000 }, () => randomBytes(30))
  const marks = needles.map((needle, i) => finder.add(needle, i))
  const found = () => finder.find(Buffer.concat(needles.flatMap((it) => [it, Buffer.from('----')])), () => true).spans.map((it) => it.start)
  expect(found()).toEqual(needles.map((_, i) => i * 34))
  const wide = finder.kept.bits
  finder.drop(marks.slice(100))
  for (let i = 0; i < 50_000; i++) finder.drop([finder.add(randomBytes(30), -1)])
  expect(finder.kept.bits).toBeLessThan(wide / 8)
  expect(found()).toEqual(needles.slice(0, 100).map((_, i) => i * 34))
})
