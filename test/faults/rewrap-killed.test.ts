/** The vault's keys are changed while it is in use, and the process dies in the middle. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runtime, type TestRuntime } from '../harness.ts'
import { auditVerifies, type Harm, query, withFaults } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** More than two batches of a re-wrap. */
const CONNECTIONS = 1_200
const USED = 12

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

interface Used {
  connection: string
  instance: string
}

async function fill(ar: TestRuntime, count: number): Promise<Used[]> {
  const ids: string[] = []
  const next = async () => {
    while (ids.length < count) {
      const n = ids.push('') - 1
      const body = { display_name: `C${n}`, provider: 'http', service: 'bearer', credentials: { api_key: `key-number-${n}-of-the-stored` } }
      ids[n] = (await ar.ok('POST', '/v1/connections', body)).id
    }
  }
  await Promise.all(Array.from({ length: 8 }, next))
  const used: Used[] = []
  for (let i = 0; i < USED; i++) {
    // Spread over all, so that some are moved before the kill and some after it.
    const connection = ids[Math.floor((i * (count - 1)) / (USED - 1))] as string
    const instance = await ar.ok('POST', '/v1/mcp/instances', {
      slug: 'http',
      connection_id: connection,
      config: { base_url: upstream.url },
    })
    used.push({ connection, instance: instance.id })
  }
  return used
}

const use = (ar: TestRuntime, { instance }: Used) =>
  ar.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, { args: { method: 'GET', path: '/used' } })

/** Uses every credential again and again until `work` is over. Counts answers; a process that is gone gives none. */
async function underLoad(
  ar: TestRuntime,
  used: readonly Used[],
  work: () => Promise<unknown>,
): Promise<{ served: number; failed: string[] }> {
  let over = false
  let served = 0
  const failed: string[] = []
  const readers = used.map(async (u) => {
    while (!over) {
      const answer = await use(ar, u).catch(() => null)
      if (answer === null) return
      if (answer.status === 200 && answer.body.result.status === 200) served++
      else failed.push(answer.text)
    }
  })
  await work().catch(() => undefined)
  over = true
  await Promise.all(readers)
  return { served, failed }
}

/** Far more than it takes: the machine may be busy, and nothing here is about time. */
const BUSY_MS = 300_000
const killedAt = (harm: Harm['point'], pass: number): Harm[] => [{ point: harm, pass, act: 'kill' }]

it(
  '[vault.rewrap-killed] kill -9 in the middle of a re-wrap under load: no decryption fails, and the next one finishes it',
  async () => {
    await using first = await runtime(withFaults(upstream, killedAt('vault.rewrap.after_batch', 1)))
    const used = await fill(first, CONNECTIONS)
    await first.ok('POST', '/v1/vault/rotate', {})
    const before = await underLoad(first, used, () => first.ok('POST', '/v1/vault/rewrap', {}))
    expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })
    expect(before).toMatchObject({ failed: [] })

    const second = await first.again(withFaults(upstream, []))
    try {
      const half = await second.ok('GET', '/v1/vault')
      expect(half.to_rewrap).toBeGreaterThan(0)
      expect(half.to_rewrap).toBeLessThan(CONNECTIONS)
      let done: { finished: boolean; undecryptable: number; retired_keys: number[] } | undefined
      const after = await underLoad(second, used, async () => {
        for (const u of used) expect((await use(second, u)).status).toBe(200) // half of them lie under either key
        done = await second.ok('POST', '/v1/vault/rewrap', {})
      })
      expect(after.failed).toEqual([])
      expect(after.served).toBeGreaterThan(0)
      expect(done).toMatchObject({ finished: true, undecryptable: 0, retired_keys: [1] })
      expect(await second.ok('GET', '/v1/vault')).toMatchObject({ active_key: 2, to_rewrap: 0 })
      for (const u of used) expect((await use(second, u)).status).toBe(200)
      await auditVerifies(second)
    } finally {
      await second.stop()
    }
  },
  BUSY_MS,
)

it(
  '[vault.rotate-killed] kill -9 between storing a new key and using it: everything can be read, and the key is there once',
  async () => {
    await using first = await runtime(withFaults(upstream, killedAt('vault.rotate.before_use', 1)))
    const used = await fill(first, USED)
    await first.api('POST', '/v1/vault/rotate', {}).catch(() => undefined)
    expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })
    const second = await first.again(withFaults(upstream, []))
    try {
      for (const u of used) expect((await use(second, u)).status).toBe(200)
      const { active_key } = await second.ok('GET', '/v1/vault')
      expect(active_key).toBe(2)
      expect(await second.ok('POST', '/v1/vault/rotate', {})).toEqual({ active_key: 3 })
      expect(await second.ok('POST', '/v1/vault/rewrap', {})).toMatchObject({ finished: true, done: USED, undecryptable: 0 })
      for (const u of used) expect((await use(second, u)).status).toBe(200)
    } finally {
      await second.stop()
    }
  },
  BUSY_MS,
)

it(
  '[vault.one-bad-row] one damaged row is flagged, its connection wants a new credential, and all others are served',
  async () => {
    await using ar = await runtime(withFaults(upstream, []))
    const used = await fill(ar, USED)
    const [bad, ...good] = used as [Used, ...Used[]]
    // Byte 20 lies in the head of the envelope, where the wrapped data key is.
    const damaged = await query(
      ar.connection!,
      'update sealed set bytes = set_byte(bytes, 20, get_byte(bytes, 20) # 255) where owner_id = $1 returning id',
      [bad.connection],
    )
    expect(damaged).toHaveLength(1)
    await ar.ok('POST', '/v1/vault/rotate', {})
    const rewrapped = await ar.ok('POST', '/v1/vault/rewrap', {})
    expect(rewrapped).toMatchObject({ finished: true, done: USED - 1, undecryptable: 1, retired_keys: [] })

    const answer = await use(ar, bad)
    expect(answer).toMatchObject({ status: 422, body: { code: 'UNDECRYPTABLE' } })
    expect(await ar.ok('GET', `/v1/connections/${bad.connection}`)).toMatchObject({ status: 'reconnect', status_reason: 'undecryptable' })
    for (const u of good) expect((await use(ar, u)).status).toBe(200)

    await ar.ok('PATCH', `/v1/connections/${bad.connection}`, { credentials: { api_key: 'a-new-key-for-the-damaged-one' } })
    expect((await use(ar, bad)).status).toBe(200)
  },
  BUSY_MS,
)
