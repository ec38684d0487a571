/** Random faults in random order, from a seed that is printed: whatever happens, no grant is lost but those whose answer was never durable. */
import { expect, it } from 'vitest'
import { type Mishap, type Process, stage } from '../renewing.ts'

const POINTS = [
  'connections.renew.after_intent',
  'vault.renew.before_send',
  'vault.renew.after_answer',
  'connections.renew.after_keep',
  'connections.renew.before_commit',
  'connections.renew.after_commit',
] as const
const MISHAPS: Mishap[] = [
  { kind: 'lost' },
  { kind: 'unsent' },
  { kind: 'answer', status: 500, body: { error: 'server_error' } },
  { kind: 'answer', status: 503, body: '', headers: { 'retry-after': '5' } },
  { kind: 'answer', status: 200, body: '<html></html>', type: 'text/html' },
  { kind: 'answer', status: 429, body: {} },
]
const HOUR = 3_600_000
const STEPS = 120
/** A small generator with good spread (mulberry32), so that a seed gives the same storm everywhere. */
function dice(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n)
  }
}

it.each([1, 2, 3].map((n) => (Date.now() + n * 7_919) % 2 ** 31))('[renew.faults] a storm of faults, seed %i', async (seed) => {
  process.stdout.write(`storm of renewals: seed ${seed}\n`)
  const roll = dice(seed)
  const pick = <T>(list: readonly T[]): T => list[roll(list.length)] as T
  await using s = await stage()
  const armed = new Map<string, { point: string; act: 'hang' | 'error' }>()
  const sleepers: (() => void)[] = []
  const wake = () => {
    for (const go of sleepers.splice(0)) go()
  }
  const names = ['exec_a', 'exec_b', 'exec_c']
  const all: Process[] = []
  for (const owner of names)
    all.push(
      await s.process({
        owner,
        fault: (at) => {
          const harm = armed.get(owner)
          if (harm?.point !== at) return
          armed.delete(owner)
          if (at === 'vault.renew.after_answer') neverDurable.add(s.acme.requests.at(-1)?.refresh.split('-')[1] ?? '')
          if (harm.act === 'error') throw new Error(`broken at ${at}`)
          return new Promise<void>((go) => sleepers.push(go))
        },
      }),
    )
  /** Grants with an answer that was lost on the wire, or held in memory only while its process broke or slept. */
  const neverDurable = new Set<string>()
  const grants = new Map<string, string>()
  for (let i = 0; i < 5; i++) {
    const id = await s.connect(all[0]!, `c${i}`)
    grants.set(id, `g${i * 2 + 1}`)
    expect(await all[0]!.call(id)).toBe('200')
  }
  const ids = [...grants.keys()]
  const grantOf = (refresh: string) => refresh.split('-')[1] as string
  for (const [i, id] of ids.entries()) grants.set(id, grantOf(s.acme.requests[i]!.refresh))
  const pending: Promise<unknown>[] = []
  const story: string[] = []
  for (let step = 0; step < STEPS; step++) {
    const what = roll(10)
    const at = roll(3)
    const p = all[at] as Process
    if (what < 4) {
      const id = pick(ids)
      story.push(`call ${names[at]} ${ids.indexOf(id)}`)
      pending.push(Promise.race([p.call(id), new Promise((go) => setImmediate(() => setTimeout(go, 30)))]))
      await pending.at(-1)
    } else if (what < 6) {
      s.tick(roll(2 * HOUR))
      story.push('tick')
    } else if (what < 7) {
      const harm = { point: pick(POINTS), act: pick(['hang', 'error'] as const) }
      armed.set(names[at] as string, harm)
      story.push(`arm ${names[at]} ${harm.point} ${harm.act}`)
    } else if (what < 8) {
      const mishap = pick(MISHAPS)
      s.acme.mishaps.push(mishap)
      story.push(`mishap ${mishap.kind}`)
    } else if (what < 9) {
      story.push('lease out, wake')
      s.tick(60_000)
      await s.leaseRunsOut()
      if (roll(2) === 0) wake()
    } else {
      story.push(`round ${names[at]}`)
      pending.push(Promise.race([p.connections.oauth.keeper.round(), new Promise((go) => setTimeout(go, 60))]))
      await pending.at(-1)
    }
  }
  // The storm is over: nothing is armed any more, sleepers wake, leases of the dead run out.
  armed.clear()
  s.acme.mishaps.length = 0
  for (let i = 0; i < 3; i++) {
    wake()
    await Promise.allSettled(pending)
    s.tick(HOUR)
    await s.leaseRunsOut()
    for (const p of all) await p.connections.oauth.keeper.round()
  }
  const lost = new Set([...neverDurable, ...s.acme.lost])
  for (const id of ids) {
    const status = await all[1]!.status(id)
    const why = `seed ${seed}, connection ${ids.indexOf(id)} is ${status}\n${story.join('\n')}`
    if (status === 'active') expect(await all[2]!.call(id), why).toBe('200')
    else {
      expect(status, why).toBe('reconnect rotation_lost')
      expect([...lost], why).toContain(grants.get(id))
      const asked = s.acme.requests.length
      s.tick(HOUR)
      await all[0]!.connections.oauth.keeper.round()
      expect(await all[0]!.call(id), why).toBe('CONNECTION_RECONNECT_REQUIRED')
      expect(
        s.acme.requests.slice(asked).some((r) => grantOf(r.refresh) === grants.get(id)),
        why,
      ).toBe(false)
    }
  }
})
