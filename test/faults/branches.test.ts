/** kill -9 in the middle of two branches of different speed, both ways round; and what a person may say about a lost call. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { type Answer, auditVerifies, books, checkBooks, publish, query, type Step, settled, start, summary, withFaults } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.release()
  upstream.calls.length = 0
})

const arrived = (path: string, times = 1) => until(() => upstream.of(path).length >= times, `${path} to arrive ${times} times`)
const completed = (ar: TestRuntime, workflow: string, step: string) =>
  until(
    async () => (await summary(ar, workflow, '1')).steps.find((s) => s.step_id === step)?.state === 'completed',
    `${step} to be in the books`,
  )
const say = (ar: TestRuntime, workflow: string, step: string, outcome: Answer, result?: unknown) =>
  ar.api('POST', `/v1/workflows/${workflow}/runs/run-1/steps/${step}/resolve`, { outcome, ...(result === undefined ? {} : { result }) })

describe('two branches of different speed', () => {
  const branches = (methods: 'GET' | 'POST'): Step[] => [
    { id: 'a1', method: methods },
    { id: 'a2', method: 'GET', after: ['a1'] },
    { id: 'b1', method: methods },
    { id: 'b2', method: 'GET', after: ['b1'] },
    { id: 'both', method: 'GET', after: ['a2', 'b2'] },
  ]

  it.each([
    { fast: 'a', slow: 'b' },
    { fast: 'b', slow: 'a' },
  ])(
    '[runs.crash-safe] [runs.no-repeat] [runs.same-key] branch $fast is done and $slow in flight: only what was in flight is called again',
    async ({ fast, slow }) => {
      const steps = branches('GET')
      await using first = await runtime(withFaults(upstream, []))
      const workflow = await publish(first, upstream, steps)
      upstream.hold(new RegExp(`/${slow}1$`))
      await start(first, workflow, '1')
      await completed(first, workflow, `${fast}2`)
      await arrived(`/1/${slow}1`)
      await first.kill()
      upstream.release()

      const second = await first.again()
      try {
        expect(await settled(second, workflow, ['1'])).toMatchObject([{ status: 'completed' }])
        const counts = Object.fromEntries(steps.map((s) => [s.id, upstream.of(`/1/${s.id}`).length]))
        expect(counts).toEqual({ a1: 1, a2: 1, b1: 1, b2: 1, both: 1, [`${slow}1`]: 2 })
        checkBooks(await books(first.connection!), upstream, steps)
      } finally {
        await second.stop()
      }
    },
  )

  it.each([
    { fast: 'a', slow: 'b' },
    { fast: 'b', slow: 'a' },
  ])(
    '[runs.outcome-unknown] a write of $slow is in flight: it is not called again, $fast goes on, and a person is asked',
    async ({ fast, slow }) => {
      const steps = branches('POST')
      await using first = await runtime(withFaults(upstream, []))
      const workflow = await publish(first, upstream, steps)
      upstream.hold(new RegExp(`/(${slow}1|${fast}2)$`))
      await start(first, workflow, '1')
      await arrived(`/1/${slow}1`)
      await arrived(`/1/${fast}2`)
      await first.kill()

      const second = await first.again()
      try {
        // The read of the other branch is under way again, and still held: whoever answers now would cut it off.
        await arrived(`/1/${fast}2`, 2)
        await until(
          async () => (await summary(second, workflow, '1')).steps.find((s) => s.step_id === `${slow}1`)?.state === 'unknown',
          'unknown',
        )
        expect(await say(second, workflow, `${slow}1`, 'done')).toMatchObject({ status: 409, body: { code: 'CONFLICT' } })
        upstream.release()
        expect(await settled(second, workflow, ['1'])).toMatchObject([
          { status: 'running', waiting_on: [{ kind: 'outcome_unknown', step_id: `${slow}1` }] },
        ])
        // Another start leaves it as it is: parked is parked.
        await second.stop()
        const third = await second.again()
        try {
          expect(await settled(third, workflow, ['1'])).toMatchObject([{ status: 'running', waiting_on: [{ step_id: `${slow}1` }] }])
          expect((await say(third, workflow, `${slow}1`, 'done', { said: 'by a person' })).status).toBe(200)
          expect(await settled(third, workflow, ['1'])).toMatchObject([{ status: 'completed' }])
          const context = await third.ok('GET', `/v1/workflows/${workflow}/runs/run-1/context`)
          expect(context.steps[`${slow}1`].result).toEqual({ said: 'by a person' })
          expect(upstream.of(`/1/${slow}1`)).toHaveLength(1)
          checkBooks(await books(first.connection!), upstream, steps)
          await auditVerifies(third)
        } finally {
          await third.stop()
        }
      } finally {
        await second.kill()
      }
    },
  )
})

describe('a lost call that may not be repeated', () => {
  const steps: Step[] = [
    { id: 'before', method: 'GET' },
    { id: 'pay', method: 'POST', after: ['before'] },
    { id: 'after', method: 'GET', after: ['pay'] },
  ]
  /** A runtime that was killed while `pay` was in flight, and the one after it. */
  async function lost(work: (ar: TestRuntime, workflow: string, first: TestRuntime) => Promise<void>): Promise<void> {
    await using first = await runtime(withFaults(upstream, []))
    const workflow = await publish(first, upstream, steps)
    upstream.hold(/\/pay$/)
    await start(first, workflow, '1')
    await arrived('/1/pay')
    await first.kill()
    upstream.release()
    const second = await first.again()
    try {
      expect(await settled(second, workflow, ['1'])).toMatchObject([{ status: 'running', waiting_on: [{ kind: 'outcome_unknown' }] }])
      await work(second, workflow, first)
    } finally {
      await second.stop()
    }
  }

  it('[runs.outcome-unknown] [runs.same-key] "retry" calls once more, as the next attempt with the same key', () =>
    lost(async (ar, workflow, first) => {
      expect((await say(ar, workflow, 'pay', 'retry')).status).toBe(200)
      expect(await settled(ar, workflow, ['1'])).toMatchObject([{ status: 'completed' }])
      const calls = upstream.of('/1/pay')
      expect(calls).toHaveLength(2)
      expect(calls[0]?.key).toMatch(/^[0-9a-f]{32}$/)
      expect(calls[1]?.key).toBe(calls[0]?.key)
      expect(upstream.of('/1/before')).toHaveLength(1)
      checkBooks(await books(first.connection!), upstream, steps)
    }))

  it('[runs.outcome-unknown] "failed" fails the run; then it can be tried again, and what was finished stays', () =>
    lost(async (ar, workflow) => {
      expect((await say(ar, workflow, 'pay', 'failed')).status).toBe(200)
      expect(await settled(ar, workflow, ['1'])).toMatchObject([{ status: 'failed', failure: { code: 'MCP_TOOL_FAILED', step_id: 'pay' } }])
      expect((await ar.api('POST', `/v1/workflows/${workflow}/runs/run-1/retry`, {})).status).toBe(202)
      expect(await settled(ar, workflow, ['1'])).toMatchObject([{ status: 'completed' }])
      expect([upstream.of('/1/before').length, upstream.of('/1/pay').length, upstream.of('/1/after').length]).toEqual([1, 2, 1])
    }))

  it('[runs.outcome-unknown] a run that is stopped over it can still be told the outcome, and be tried again', () =>
    lost(async (ar, workflow, first) => {
      await ar.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'stop', params: { run_id: 'run-1' } })
      expect(await settled(ar, workflow, ['1'])).toMatchObject([{ status: 'stopped' }])
      expect((await ar.api('POST', `/v1/workflows/${workflow}/runs/run-1/retry`, {})).status).toBe(409)
      expect(await say(ar, workflow, 'pay', 'done')).toMatchObject({ status: 200, body: { status: 'stopped' } })
      expect((await ar.api('POST', `/v1/workflows/${workflow}/runs/run-1/retry`, {})).status).toBe(202)
      expect(await settled(ar, workflow, ['1'])).toMatchObject([{ status: 'completed' }])
      expect(upstream.of('/1/pay')).toHaveLength(1)
      const seqs = await query<{ seq: number }>(first.connection!, 'select seq from run_events order by seq')
      expect(seqs.map((r) => r.seq)).toEqual(seqs.map((_, i) => i + 1))
      await auditVerifies(ar)
    }))

  it('[runs.outcome-unknown] nobody can say it twice, and ten answers at once count once', () =>
    lost(async (ar, workflow) => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => say(ar, workflow, 'pay', 'retry')))
      expect(answers.filter((a) => a.status === 200)).toHaveLength(1)
      expect(answers.filter((a) => a.status === 409)).toHaveLength(9)
      expect(await settled(ar, workflow, ['1'])).toMatchObject([{ status: 'completed' }])
      expect(upstream.of('/1/pay')).toHaveLength(2)
    }))
})
