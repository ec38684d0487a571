import { expect, it } from 'vitest'
import { newId, timeOf } from './ids.ts'

it('an id tells when it was made, sorts by it, and nothing else has a time', () => {
  const at = Date.UTC(2031, 4, 5)
  const [one, two, later] = [newId('conn', at), newId('conn', at), newId('conn', at + 1)]
  expect([one, two, later].map(timeOf)).toEqual([at, at, at + 1])
  expect([later, two, one].sort()).toEqual([one, two, later])
  for (const text of ['', 'conn', 'conn_', 'conn_01', 'conn_ILOU000000xyz']) expect(timeOf(text), text).toBeNaN()
})
