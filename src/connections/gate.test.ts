import { describe, expect, it } from 'vitest'
import { AT_A_TIME, createGate, IN_BACKGROUND, type Ended } from './gate.ts'

const KEY = 'https://id.example'
const answered: Ended = { kind: 'answered' }
const failed = (retryAfterS: number | null = null): Ended => ({ kind: 'failed', retryAfterS })

function gate() {
  let now = 0
  const it = createGate({ now: () => now, random: () => 0 })
  return { ...it, tick: (ms: number) => (now += ms), try: (ended: Ended) => it.pass(KEY, true, async () => ({ result: 'in', ended })) }
}

describe('the gate', () => {
  it('[renew.provider-cap] lets so many in at a time, and those first for whom somebody waits', async () => {
    const { pass } = gate()
    const order: string[] = []
    let inside = 0
    let most = 0
    const open = Promise.withResolvers<void>()
    const one = (name: string, urgent: boolean) =>
      pass(KEY, urgent, async () => {
        order.push(name)
        most = Math.max(most, ++inside)
        await open.promise
        inside--
        return { result: null, ended: answered }
      })
    const all = [
      ...Array.from({ length: IN_BACKGROUND }, (_, i) => one(`patient ${i}`, false)),
      one('patient, later', false),
      ...Array.from({ length: AT_A_TIME - IN_BACKGROUND }, (_, i) => one(`first ${i}`, true)),
      one('patient', false),
      one('urgent 1', true),
      one('urgent 2', true),
    ]
    expect(order).toHaveLength(AT_A_TIME)
    open.resolve()
    await Promise.all(all)
    expect(most).toBe(AT_A_TIME)
    expect(order.slice(AT_A_TIME)).toEqual(['urgent 1', 'urgent 2', 'patient, later', 'patient'])
  })

  it('[renew.breaker] leaves a provider alone after five failures in a row, then lets one try', async () => {
    const g = gate()
    for (let i = 0; i < 5; i++) await g.try(failed())
    await expect(g.try(answered)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', retryAfter: 10 })
    g.tick(10_000)
    const held = Promise.withResolvers<void>()
    const probe = g.pass(KEY, true, async () => {
      await held.promise
      return { result: 'back', ended: answered }
    })
    await expect(g.try(answered)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
    held.resolve()
    expect(await probe).toBe('back')
    expect(await g.try(answered)).toBe('in')
  })

  it('closes again when the one that tried met the same', async () => {
    const g = gate()
    for (let i = 0; i < 5; i++) await g.try(failed())
    g.tick(10_000)
    await g.try(failed())
    await expect(g.try(answered)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })

  it('[renew.retry-after] gives a provider the pause that it asks for, at the first time', async () => {
    const g = gate()
    await g.try(failed(30))
    await expect(g.try(answered)).rejects.toMatchObject({ retryAfter: 30 })
    g.tick(30_000)
    expect(await g.try(answered)).toBe('in')
  })

  it('an answer between failures counts them anew', async () => {
    const g = gate()
    for (let i = 0; i < 12; i++) await g.try(i % 4 === 3 ? answered : failed())
    expect(await g.try(answered)).toBe('in')
  })

  it('what was not asked says nothing of the provider', async () => {
    const g = gate()
    for (let i = 0; i < 5; i++) {
      await g.try(failed())
      await g.try({ kind: 'unasked' }).catch(() => undefined)
    }
    await expect(g.try(answered)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })

  it('knows one provider from another, and survives work that throws', async () => {
    const g = gate()
    for (let i = 0; i < 5; i++) await g.try(failed())
    expect(await g.pass('https://other.example', true, async () => ({ result: 1, ended: answered }))).toBe(1)
    for (let i = 0; i < AT_A_TIME * 2; i++)
      await expect(g.pass('https://third.example', true, () => Promise.reject(new Error('ours')))).rejects.toThrow('ours')
    expect(await g.pass('https://third.example', true, async () => ({ result: 2, ended: answered }))).toBe(2)
  })
})
