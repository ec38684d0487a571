/** A process dies while it takes a delivery: before the commit there is no run, after it there is one, and the sender's next try tells which. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newRootKeyText } from '../../src/vault/index.ts'
import { SENDERS, type Sender } from '../fakes/senders.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { delivery, hooked, knock } from '../walks/knocks.ts'
import { auditVerifies, books, publish, query, type Step, withFaults } from './kit.ts'
import { startRelay } from './relay.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

/** Several starts of a process each, on a machine that may be busy. */
const PATIENT_MS = 120_000
const STEPS: Step[] = [
  { id: 'read', method: 'GET' },
  { id: 'write', method: 'POST', after: ['read'] },
]
const sender = (name: string) => SENDERS.find((s) => s.scheme === name) as Sender
const runs = async (ar: TestRuntime) => (await books(ar.connection)).runs
const finished = (ar: TestRuntime, n: number) =>
  until(async () => {
    const found = await runs(ar)
    return found.length === n && found.every((r) => r.status === 'completed') ? found : null
  }, `${n} runs to end`)

describe.each([
  ['triggers.delivery.before_commit', 0],
  ['triggers.delivery.after_commit', 1],
  ['runs.start.before_engine', 1],
] as const)('killed at %s', { timeout: PATIENT_MS }, (point, there) => {
  it.each(['agentruntime', 'stripe'])(
    '[webhooks.durable] %s: one run after the next try, whichever side of the commit it was',
    async (name) => {
      upstream.calls.length = 0
      await using first = await runtime(withFaults(upstream, [{ point, pass: 1, act: 'kill' }]))
      const workflow = await publish(first, upstream, STEPS)
      const hook = await hooked(first, workflow, sender(name))
      const it = delivery(hook, { n: 'x' })
      const answer = await knock(first, hook.path, it).catch(() => null)
      // An engine is told while the answer is on its way already: that one may have arrived.
      if (point !== 'runs.start.before_engine') expect(answer).toBeNull()
      expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })
      expect(await runs(first)).toHaveLength(there)
      const ledger = () => query<{ run_id: string }>(first.connection, "select run_id from webhook_deliveries where outcome = 'accepted'")
      expect(await ledger()).toHaveLength(there) // run and ledger are written together or not at all

      const second = await first.again(withFaults(upstream, []))
      try {
        const again = delivery(hook, { id: it.id, body: it.body })
        const taken = await knock(second, hook.path, again)
        expect(taken.status).toBe(there === 1 ? 200 : 202)
        const [run] = await finished(second, 1)
        expect(taken.body.run_id).toBe(run?.id)
        if (answer?.body) expect(answer.body.run_id).toBe(run?.id)
        expect(await ledger()).toEqual([{ run_id: run?.id }])
        // Each step called its upstream once.
        expect(upstream.calls.map((c) => c.path).sort()).toEqual(['/x/read', '/x/write'])
        await auditVerifies(second)
        const started = await query(second.connection, "select 1 from audit_entries where action = 'run.started'")
        expect(started).toHaveLength(1)
      } finally {
        await second.stop()
      }
    },
  )
})

it('[webhooks.durable] a fault on the way leaves nothing, and fifty at once with a kill among them are one run', {
  timeout: PATIENT_MS,
}, async () => {
  upstream.calls.length = 0
  await using first = await runtime(
    withFaults(upstream, [
      { point: 'triggers.delivery.before_commit', pass: 1, act: 'throw' },
      { point: 'triggers.delivery.after_commit', pass: 1, act: 'kill' },
    ]),
  )
  const workflow = await publish(first, upstream, STEPS)
  const hook = await hooked(first, workflow, sender('github'))
  const it = delivery(hook, { n: 'x' })
  const broken = await knock(first, hook.path, it)
  expect(broken).toMatchObject({ status: 500, body: { code: 'INTERNAL' } })
  expect(await runs(first)).toEqual([])
  const tries = await Promise.all(Array.from({ length: 50 }, () => knock(first, hook.path, it).catch(() => null)))
  expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })
  const second = await first.again(withFaults(upstream, []))
  try {
    const later = await Promise.all(Array.from({ length: 20 }, () => knock(second, hook.path, it)))
    expect(later.map((a) => a.status)).toEqual(Array.from({ length: 20 }, () => 200))
    const [run] = await finished(second, 1)
    for (const answer of [...tries, ...later]) if (answer) expect(answer.body.run_id).toBe(run?.id)
    expect(upstream.calls.map((c) => c.path).sort()).toEqual(['/x/read', '/x/write'])
    await auditVerifies(second)
  } finally {
    await second.stop()
  }
})

it('[webhooks.durable] while the vault is sealed a sender is asked to try again', { timeout: PATIENT_MS }, async () => {
  await using first = await runtime(withFaults(upstream, []))
  const workflow = await publish(first, upstream, [{ id: 'read', method: 'GET' }])
  const hook = await hooked(first, workflow, sender('github'))
  await first.stop()
  const file = join(first.home, 'other.key')
  writeFileSync(file, `${newRootKeyText()}\n`, { mode: 0o600 })
  const sealed = await first.again(withFaults(upstream, [], undefined, { flags: ['--root-key-file', file] }))
  const it = delivery(hook, { n: 'x' })
  try {
    for (const path of [hook.path, '/v1/inbound-webhooks/hook_nobody']) {
      const answer = await knock(sealed, path, it)
      expect(answer).toMatchObject({ status: 503, body: { code: 'VAULT_SEALED' } })
      expect(answer.headers.get('retry-after')).toBe('5')
    }
    expect(await runs(first)).toEqual([])
  } finally {
    await sealed.stop()
  }
  const second = await first.again(withFaults(upstream, []))
  try {
    expect((await knock(second, hook.path, it)).status).toBe(202)
    await finished(second, 1)
  } finally {
    await second.stop()
  }
})

it('[webhooks.once] fifty at once at two processes are one run', { timeout: PATIENT_MS }, async () => {
  upstream.calls.length = 0
  await using one = await runtime(withFaults(upstream, []))
  const shared = { database: { url: one.databaseUrl as string }, flags: ['--root-key-file', join(one.dataDir, 'root.key')] }
  await using two = await runtime(withFaults(upstream, [], undefined, shared))
  const workflow = await publish(one, upstream, STEPS)
  for (const name of ['github', 'stripe', 'meta']) {
    const hook = await hooked(one, workflow, sender(name))
    const it = delivery(hook, { n: name })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => knock(i % 2 ? one : two, hook.path, it)))
    expect(answers.map((a) => a.status).sort()).toEqual([...Array.from({ length: 49 }, () => 200), 202])
    expect(new Set(answers.map((a) => a.body.run_id)).size).toBe(1)
    // A secret that is changed at one counts at the other at once, and so does switching off.
    await one.ok('PATCH', hook.path, { enabled: false })
    expect((await knock(two, hook.path, delivery(hook))).status).toBe(401)
  }
  await finished(one, 3)
  expect(upstream.calls).toHaveLength(6)
})

it('[webhooks.durable] the database goes again and again: who is told 503 tries again, and each delivery is one run', {
  timeout: PATIENT_MS,
}, async () => {
  upstream.calls.length = 0
  const relay = await startRelay()
  // These senders ask again and again without a pause: how often one may is looked at elsewhere.
  const flags = ['--rate={"burst":100000,"perSecond":100000}']
  const ar = await runtime(withFaults(upstream, [], { reconcileMs: 1_000, startingMs: 1_000 }, { database: { url: relay.url }, flags }))
  try {
    const workflow = await publish(ar, upstream, STEPS)
    const hook = await hooked(ar, workflow, sender('stripe'))
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    const told = new Set<string>()
    const sending = Array.from({ length: 20 }, async (_, n) => {
      const first = delivery(hook, { n })
      await pause(n * 100)
      return await until(
        async () => {
          // Signed anew for each try, as Stripe does.
          const answer = await knock(ar, hook.path, delivery(hook, { id: first.id, body: first.body }))
          told.add(`${answer.status} ${answer.body.code ?? ''} ${answer.headers.get('retry-after') ?? ''}`.trim())
          return answer.status < 300 ? (answer.body.run_id as string) : null
        },
        `delivery ${n} to be taken`,
        60_000,
      )
    })
    for (let i = 0; i < 6; i++) {
      await pause(200)
      relay.cut()
      await pause(i === 3 ? 1_500 : 150)
      relay.mend()
    }
    const ids = await Promise.all(sending)
    expect(new Set(ids).size).toBe(20)
    for (const what of told) expect(what).toMatch(/^(20[02]|503 DEPENDENCY_UNAVAILABLE 5)$/)
    expect([...told].some((what) => what.startsWith('503'))).toBe(true)
    const completed = await until(
      async () => {
        const found = (await books(relay.connection)).runs
        return found.length === 20 && found.every((r) => r.status === 'completed') ? found : null
      },
      'all runs to end',
      60_000,
    )
    expect(completed.map((r) => r.id).sort()).toEqual(ids.toSorted())
    for (let n = 0; n < 20; n++) for (const step of STEPS) expect(upstream.of(`/${n}/${step.id}`).length, `/${n}/${step.id}`).toBe(1)
    await auditVerifies(ar)
  } finally {
    relay.mend()
    await ar[Symbol.asyncDispose]()
    await relay.close()
  }
})
