/** Renewal across real processes, against a real provider that ends a grant when a refresh token comes twice. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { runtime, type RuntimeOptions, type TestRuntime, until } from '../harness.ts'
import { httpInstance, setUpApp, signIn, things } from '../walks/sign-in.ts'
import { auditVerifies, type Harm, query } from './kit.ts'

const MAIN = new URL('runtime-with-faults.ts', import.meta.url).pathname
const SCOPES = ['things.read']
const ROUNDS = 20
const CALLERS = 100
/** Nobody renews behind the back of a round: what is due is looked for once in a long while. */
const NEVER = '--look=3600000'

let provider: Provider
let up: TestRuntime[] = []

beforeEach(async () => {
  provider = await startProvider({ scopes: SCOPES })
})
afterEach(async () => {
  provider.release()
  for (const rt of up.reverse()) await rt[Symbol.asyncDispose]()
  up = []
  await provider.close()
})

const options = (harms: readonly Harm[] = [], more: RuntimeOptions = {}, look = NEVER): RuntimeOptions => ({
  allowPrivate: [provider.url],
  main: MAIN,
  ...more,
  flags: [...(more.flags ?? []), `--faults=${JSON.stringify(harms)}`, look],
})
async function first(harms: readonly Harm[] = [], look = NEVER): Promise<TestRuntime> {
  const rt = await runtime(options(harms, {}, look))
  up.push(rt)
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, provider)
  return rt
}
async function beside(rt: TestRuntime): Promise<TestRuntime> {
  const more = await runtime(options([], { database: { url: rt.databaseUrl! }, flags: ['--root-key-file', join(rt.dataDir, 'root.key')] }))
  up.push(more)
  return more
}
const connection = (rt: TestRuntime, id: string) => rt.ok('GET', `/v1/connections/${id}`)
/** The token has ended, and everybody has heard of it: a row is believed for a second. */
async function end(rt: TestRuntime, id: string): Promise<void> {
  await query(
    rt.connection,
    "update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h', next_try_at = null where connection_id = $1",
    [id],
  )
  await new Promise((resolve) => setTimeout(resolve, 1_050)) // the promise is a time: within a second
}
/** As a lease does after its time: waiting for it is not what is tested. */
const leaseRunsOut = (rt: TestRuntime) =>
  query(rt.connection, "update grants set lease_until = now() - interval '1 s' where lease_until > now()")

it(`[renew.single-flight] three processes with ${CALLERS} callers each at the moment of expiry, ${ROUNDS} rounds: one token request each, and no caller fails`, async () => {
  const rt = await first()
  const all = [rt, await beside(rt), await beside(rt)]
  const { connection: id } = await signIn(rt, provider, { scopes: SCOPES })
  const instance = await httpInstance(rt, provider, id)
  for (let round = 1; round <= ROUNDS; round++) {
    await end(rt, id)
    provider.reset()
    const answers = await Promise.all(all.flatMap((p) => Array.from({ length: CALLERS }, () => things(p, instance))))
    const failed = answers.filter((a) => a.body.result?.status !== 200).map((a) => a.text)
    expect(failed, `round ${round}`).toEqual([])
    expect(
      provider.tokenRequests.map((r) => r.status),
      `round ${round}`,
    ).toEqual([200])
  }
  expect(await connection(rt, id)).toMatchObject({ status: 'active', credential_version: ROUNDS + 1 })
  expect(provider.liveRefreshTokens('ada')).toBe(1)
  await auditVerifies(rt)
}, 180_000)

const POINTS = [
  ['connections.renew.after_intent', 'active'],
  ['vault.renew.before_send', 'active'],
  ['vault.renew.after_answer', 'reconnect'],
  ['connections.renew.after_keep', 'active'],
  ['connections.renew.before_commit', 'active'],
  ['connections.renew.after_commit', 'active'],
] as const

describe.each(POINTS)('killed at %s', (point, expected) => {
  it(`[renew.kill] the next start finds the connection ${expected}, with as few requests as can be`, async () => {
    const rt = await first([{ point, pass: 1, act: 'kill' }])
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES })
    const instance = await httpInstance(rt, provider, id)
    await end(rt, id)
    provider.reset()
    await Promise.allSettled([things(rt, instance), things(rt, instance)])
    expect(await rt.exited).toMatchObject({ signal: 'SIGKILL' })
    const again = await rt.again(options([], {}, '--look=50'))
    try {
      if (expected === 'active') {
        await until(async () => (await things(again, instance)).body.result?.status === 200, 'a call to work again')
        expect(await connection(again, id)).toMatchObject({ status: 'active' })
        expect(provider.tokenRequests.map((r) => r.status)).toEqual([200])
        expect(provider.liveRefreshTokens('ada')).toBe(1)
      } else {
        await until(async () => (await connection(again, id)).status === 'reconnect', 'the loss to be known')
        expect(await connection(again, id)).toMatchObject({ status_reason: 'rotation_lost' })
        expect((await things(again, instance)).body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
        // Tried once more, and never after that.
        expect(provider.tokenRequests.map((r) => r.status)).toEqual([200, 400])
        // In place, and everything that is bound works again.
        provider.allowRedirect(`${again.url}/v1/oauth/callback`)
        await signIn(again, provider, { connection_id: id })
        expect((await things(again, instance)).body.result?.status).toBe(200)
      }
      await auditVerifies(again)
    } finally {
      await again.stop()
    }
  }, 60_000)
})

it('[renew.frozen] a process that is frozen in the middle of a renewal and thaws later changes nothing', async () => {
  const one = await first()
  const two = await beside(one)
  const { connection: id } = await signIn(one, provider, { scopes: SCOPES })
  const instance = await httpInstance(one, provider, id)
  await end(one, id)
  provider.next('held')
  const arrived = provider.arrived()
  const late = things(one, instance)
  await arrived
  process.kill(one.pid, 'SIGSTOP')
  try {
    provider.release() // the answer lies in the frozen one's socket
    await leaseRunsOut(two)
    expect((await things(two, instance)).body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await connection(two, id)).toMatchObject({ status: 'reconnect', status_reason: 'rotation_lost' })
  } finally {
    process.kill(one.pid, 'SIGCONT')
  }
  expect((await late).body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
  expect(await connection(one, id)).toMatchObject({ status: 'reconnect', credential_version: 1 })
  expect(provider.tokenRequests).toHaveLength(3)
})

it('[renew.drains] a process that is told to end finishes the renewal that is under way', async () => {
  const rt = await first()
  const { connection: id } = await signIn(rt, provider, { scopes: SCOPES })
  const instance = await httpInstance(rt, provider, id)
  await end(rt, id)
  provider.reset()
  provider.next('held')
  const arrived = provider.arrived()
  const call = things(rt, instance).catch(() => null)
  await arrived
  const stopped = rt.stop()
  provider.release()
  expect(await stopped).toMatchObject({ code: 0 })
  await call
  const again = await rt.again(options())
  try {
    expect((await things(again, instance)).body.result?.status).toBe(200)
    expect(provider.tokenRequests.map((r) => r.status)).toEqual([200])
  } finally {
    await again.stop()
  }
})

it('[renew.hangs] a provider that never answers is given up after its time, and the connection is degraded, not lost', async () => {
  const rt = await first()
  const { connection: id } = await signIn(rt, provider, { scopes: SCOPES })
  const instance = await httpInstance(rt, provider, id)
  await end(rt, id)
  provider.reset()
  provider.next('drip')
  const answer = await things(rt, instance)
  expect(answer.body).toMatchObject({ code: 'UPSTREAM_ERROR', details: { problem: 'timed_out' } })
  expect(await connection(rt, id)).toMatchObject({ status: 'degraded', status_reason: 'provider_unavailable' })
  expect(await query(rt.connection, 'select lease_owner from grants')).toEqual([{ lease_owner: null }])
}, 60_000)

it('[renew.answer-capped] an answer of ten megabytes is cut off, and nothing of it is stored', async () => {
  const rt = await first()
  const { connection: id } = await signIn(rt, provider, { scopes: SCOPES })
  const instance = await httpInstance(rt, provider, id)
  await end(rt, id)
  provider.next('huge')
  expect((await things(rt, instance)).body.code).toBe('UPSTREAM_ERROR')
  expect(await connection(rt, id)).toMatchObject({ status: 'degraded', credential_version: 1 })
  expect(await query(rt.connection, "select count(*)::int as n from sealed where field = 'answer'")).toEqual([{ n: 0 }])
  await query(rt.connection, 'update grants set next_try_at = null')
  await new Promise((resolve) => setTimeout(resolve, 1_050)) // the promise is a time: within a second
  expect((await things(rt, instance)).body.result?.status).toBe(200)
})
