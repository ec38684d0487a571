import { describe, expect, it } from 'vitest'
import { createPace, LONGEST_TURN_MS, type Rate } from './pace.ts'

function paced() {
  let now = 1_000_000
  const pace = createPace({ now: () => now })
  const waits: number[] = []
  const turn = async (rate: Rate | null = { requests: 3, perS: 1 }, id = 'conn_1') => {
    await pace.turn(id, rate ?? undefined, async (ms) => void waits.push(Math.round(ms)))
  }
  const pass = (ms: number) => {
    now += ms
  }
  return { pace, waits, turn, pass }
}

describe('the pace of a connection', () => {
  it('[connectors.shared-budget] as many as are allowed go at once, the next are evened out, whoever asks', async () => {
    const { waits, turn, pass } = paced()
    for (let n = 0; n < 6; n++) await turn()
    expect(waits).toEqual([333, 667, 1000])
    pass(10_000)
    for (let n = 0; n < 3; n++) await turn()
    expect(waits).toHaveLength(3)
  })

  it('another connection has a budget of its own', async () => {
    const { waits, turn } = paced()
    for (let n = 0; n < 3; n++) await turn()
    await turn({ requests: 3, perS: 1 }, 'conn_2')
    expect(waits).toEqual([])
  })

  it('[connectors.shared-budget] a pause that the vendor asks for holds for every call, and then they go on', async () => {
    const { pace, waits, turn, pass } = paced()
    await turn(null)
    pace.pause('conn_1', 5)
    await turn(null)
    await turn()
    expect(waits).toEqual([5000, 5000])
    pass(5_000)
    await turn(null)
    expect(waits).toHaveLength(2)
  })

  it('what is too far away is said at once, and takes nobody’s place', async () => {
    const { pace, waits, turn, pass } = paced()
    pace.pause('conn_1', 60)
    const far = await turn().catch((error: unknown) => error)
    expect(far).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 60, maybeDone: false })
    pass(60_000 - LONGEST_TURN_MS)
    await turn()
    expect(waits).toEqual([LONGEST_TURN_MS])
  })

  it('no pause is believed for longer than an hour', async () => {
    const { pace, turn } = paced()
    pace.pause('conn_1', 86_400)
    expect(await turn().catch((error: unknown) => error)).toMatchObject({ retryAfter: 3600 })
  })
})
