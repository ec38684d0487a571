import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Act, type Circumstances, type Command, type Decision, decide, type Entry, triesAgain } from './decide.ts'
import { type Graph, parseGraph, type Step } from './graph.ts'

const seed = Date.now() % 2 ** 31
console.info(`decide.test.ts seed ${seed}`)

const graphOf = (...steps: [id: string, after?: string[], more?: Record<string, unknown>][]): Graph =>
  parseGraph({
    steps: steps.map(([id, depends_on = [], more = {}]) => ({
      id,
      type: 'mcp_call',
      instance_id: 'i',
      tool_name: 't',
      depends_on,
      ...more,
    })),
  })

const at = (over: Partial<Circumstances> = {}): Circumstances => ({ now: 0, in_flight: new Set(), repeatable: () => true, ...over })
const journal = (entries: Record<string, Entry>) => new Map(Object.entries(entries))
const acts = (decision: Decision): string[] =>
  'do' in decision
    ? decision.do.map(
        (a) => `${a.act} ${a.step.id}${a.act === 'skip' ? ' ' + a.reason : ''}${a.act === 'start' && a.recovered ? ' again' : ''}`,
      )
    : [JSON.stringify(decision)]

const ok: Entry = { state: 'completed', attempt: 1 }
const started: Entry = { state: 'started', attempt: 1 }
const failed: Entry = { state: 'failed', attempt: 1 }

describe('decide', () => {
  const diamond = graphOf(['a'], ['b', ['a']], ['c', ['a']], ['d', ['b', 'c']])

  it('starts what has all its dependencies, in the order of the graph', () => {
    expect(acts(decide(diamond, new Map(), at()))).toEqual(['start a'])
    expect(acts(decide(diamond, journal({ a: ok }), at()))).toEqual(['start b', 'start c'])
    const one = decide(diamond, journal({ a: ok, b: ok, c: started }), at({ in_flight: new Set(['c']) }))
    expect(one).toEqual({ wait: { in_flight: ['c'], waiting_on: [], wake_at: null, paused: false } })
    expect(acts(decide(diamond, journal({ a: ok, b: ok, c: ok }), at()))).toEqual(['start d'])
    expect(decide(diamond, journal({ a: ok, b: ok, c: ok, d: ok }), at())).toEqual({ done: 'completed' })
    expect(decide({ steps: [] }, new Map(), at())).toEqual({ done: 'completed' })
  })

  it('goes past steps that were skipped for themselves, and says why they were', () => {
    const graph = graphOf(['a'], ['b', ['a'], { enabled: false }], ['c', ['b']], ['x', ['a']], ['y', ['x']])
    const excluded = new Set(['x'])
    expect(acts(decide(graph, new Map(), at({ excluded })))).toEqual(['start a', 'skip b step_disabled', 'skip x excluded'])
    const skipped = { b: { state: 'skipped', reason: 'step_disabled' }, x: { state: 'skipped', reason: 'excluded' } } as const
    expect(acts(decide(graph, journal({ a: ok, ...skipped }), at({ excluded })))).toEqual(['start c', 'start y'])
    const byCondition = journal({ a: { state: 'skipped', reason: 'condition_false' }, ...skipped })
    expect(acts(decide(graph, byCondition, at({ excluded })))).toEqual(['start c', 'start y'])
  })

  it('ends at the first failure: cancels what is in flight elsewhere, blocks the rest', () => {
    const graph = graphOf(['a'], ['b'], ['c'], ['d', ['a']], ['e', ['b'], { enabled: false }])
    const now = journal({ a: failed, b: started, c: { state: 'waiting', attempt: 1, kind: 'reconnect' } })
    const decision = decide(graph, now, at({ in_flight: new Set(['b']) }))
    expect(acts(decision)).toEqual(['cancel b', 'cancel c', 'skip d blocked', 'skip e step_disabled'])
    const after = journal({ a: failed, b: { state: 'cancelled', attempt: 1 }, c: { state: 'cancelled', attempt: 1 } })
      .set('d', { state: 'skipped', reason: 'blocked' })
      .set('e', { state: 'skipped', reason: 'step_disabled' })
    expect(decide(graph, after, at())).toEqual({ done: 'failed' })
  })

  it('waits for the next try, and counts it', () => {
    const graph = graphOf(['a', [], { retry_count: 2 }])
    const retrying = journal({ a: { state: 'retrying', attempt: 2, retry_at: 500 } })
    expect(decide(graph, retrying, at({ now: 499 }))).toEqual({
      wait: { in_flight: [], waiting_on: [{ kind: 'timer', step_id: 'a', until: 500 }], wake_at: 500, paused: false },
    })
    expect(decide(graph, retrying, at({ now: 500 }))).toMatchObject({ do: [{ act: 'start', attempt: 2, recovered: false }] })
    expect(decide(graph, retrying, at({ now: 999, command: 'pause' }))).toMatchObject({ wait: { paused: true, wake_at: null } })
    const step = graph.steps[0]!
    const failure = { retryable: true, maybe_done: false, repeatable: false }
    expect([1, 2, 3].map((attempt) => triesAgain(step, attempt, failure))).toEqual([true, true, false])
    expect(triesAgain(step, 1, { ...failure, retryable: false })).toBe(false)
    expect(triesAgain(step, 1, { ...failure, maybe_done: true })).toBe(false)
    expect(triesAgain(step, 1, { ...failure, maybe_done: true, repeatable: true })).toBe(true)
  })

  it('[runs.no-silent-repeat] after a crash only repeatable calls are repeated; others wait for a person, and branches go on', () => {
    const graph = graphOf(['a'], ['b'], ['c'], ['d', ['a']], ['e', ['b']])
    const crashed = journal({ a: started, b: started, c: ok })
    const repeatable = (step: Step) => step.id === 'a'
    expect(acts(decide(graph, crashed, at({ repeatable })))).toEqual(['start a again', 'unknown b'])
    const later = journal({ a: ok, b: { state: 'unknown', attempt: 1 }, c: ok })
    expect(acts(decide(graph, later, at({ repeatable })))).toEqual(['start d'])
    const last = decide(graph, later.set('d', ok), at({ repeatable }))
    expect(last).toMatchObject({ wait: { in_flight: [], waiting_on: [{ kind: 'outcome_unknown', step_id: 'b' }] } })
    expect(acts(decide(graph, later.set('b', { state: 'released', attempt: 1 }), at({ repeatable })))).toEqual(['start b'])
    expect(acts(decide(graph, later.set('b', ok), at({ repeatable })))).toEqual(['start e'])
  })

  it('keeps an unknown outcome in the books when the run fails, and does not call it cancelled', () => {
    const graph = graphOf(['a'], ['b'])
    const repeatable = () => false
    expect(acts(decide(graph, journal({ a: failed, b: started }), at({ repeatable })))).toEqual(['unknown b'])
    expect(decide(graph, journal({ a: failed, b: { state: 'unknown', attempt: 1 } }), at({ repeatable }))).toEqual({ done: 'failed' })
  })

  it('parks a step that waits for consent while other branches go on', () => {
    const graph = graphOf(['a'], ['b'], ['c', ['b']])
    const parked = journal({ a: { state: 'waiting', attempt: 1, kind: 'reconnect' }, b: ok })
    expect(acts(decide(graph, parked, at()))).toEqual(['start c'])
    expect(decide(graph, parked.set('c', ok), at())).toEqual({
      wait: { in_flight: [], waiting_on: [{ kind: 'reconnect', step_id: 'a' }], wake_at: null, paused: false },
    })
    expect(decide(graph, parked.set('a', { state: 'released', attempt: 1 }), at())).toMatchObject({ do: [{ act: 'start', attempt: 1 }] })
  })

  it('pauses: nothing starts, not even what a crash left behind, and what is in flight finishes', () => {
    const graph = graphOf(['a'], ['b'], ['c', ['a']])
    const paused = at({ command: 'pause', in_flight: new Set(['b']) })
    expect(decide(graph, journal({ a: ok, b: started }), paused)).toMatchObject({ wait: { in_flight: ['b'], paused: true } })
    expect(decide(graph, journal({ a: ok, b: started }), at({ command: 'pause' }))).toMatchObject({ wait: { in_flight: [], paused: true } })
    expect(decide(graph, journal({ a: ok, b: ok, c: ok }), at({ command: 'pause' }))).toEqual({ done: 'completed' })
    expect(acts(decide(graph, journal({ a: failed, b: started }), paused))).toEqual(['cancel b', 'skip c blocked'])
  })

  it('stops gracefully: finishes what is in flight and blocks the rest; stops now: cancels', () => {
    const graph = graphOf(['a'], ['b'], ['c', ['a']])
    const now = journal({ a: started, b: { state: 'retrying', attempt: 2, retry_at: 9 } })
    const graceful = at({ command: 'stop_graceful', in_flight: new Set(['a']) })
    expect(acts(decide(graph, now, graceful))).toEqual(['cancel b', 'skip c blocked'])
    const drained = journal({ a: started, b: { state: 'cancelled', attempt: 2 }, c: { state: 'skipped', reason: 'blocked' } })
    expect(decide(graph, drained, graceful)).toMatchObject({ wait: { in_flight: ['a'], waiting_on: [] } })
    expect(decide(graph, drained.set('a', ok), graceful)).toEqual({ done: 'stopped' })
    const immediate = at({ command: 'stop_now', in_flight: new Set(['a']) })
    expect(acts(decide(graph, now, immediate))).toEqual(['cancel a', 'cancel b', 'skip c blocked'])
    expect(decide(graph, drained.set('a', { state: 'cancelled', attempt: 1 }), immediate)).toEqual({ done: 'stopped' })
    expect(decide(graph, drained.set('a', failed), graceful)).toEqual({ done: 'failed' })
  })

  it('[runs.limits] never has more in flight than it may', () => {
    const graph = graphOf(['a'], ['b'], ['c'])
    expect(acts(decide(graph, new Map(), at({ max_in_flight: 2 })))).toEqual(['start a', 'start b'])
    const full = journal({ a: started, b: started })
    expect(decide(graph, full, at({ max_in_flight: 2, in_flight: new Set(['a', 'b']) }))).toMatchObject({ wait: { in_flight: ['a', 'b'] } })
  })

  it('refuses to wait for ever on a graph that cannot go on', () => {
    const [a, b] = graphOf(['a'], ['b', ['a']]).steps as [Step, Step]
    expect(() => decide({ steps: [{ ...a, depends_on: ['b'] }, b] }, new Map(), at())).toThrow(/can never start/)
  })

  it('goes down the longest chain with one decision for each step', () => {
    const chain = graphOf(...Array.from({ length: 200 }, (_, i): [string, string[]] => [`s${i}`, i ? [`s${i - 1}`] : []]))
    const entries = new Map<string, Entry>()
    let decisions = 0
    for (let next = decide(chain, entries, at()); 'do' in next; next = decide(chain, entries, at())) {
      for (const act of next.do) entries.set(act.step.id, ok)
      decisions++
    }
    expect(decisions).toBe(200)
  })
})

/** How one step will go: the same script, whatever the order of events. */
type Script = {
  condition: boolean
  failures: number
  hard: boolean
  parks: boolean
  repeatable: boolean
  enabled: boolean
  retries: number
}
type Plan = { graph: Graph; scripts: Map<string, Script> }

const plans = (canFail: boolean): fc.Arbitrary<Plan> =>
  fc
    .array(
      fc.record({
        after: fc.array(fc.nat(11), { maxLength: 3 }),
        condition: fc.boolean(),
        failures: fc.nat(2),
        hard: canFail ? fc.integer({ min: 0, max: 5 }).map((n) => n === 0) : fc.constant(false),
        parks: fc.boolean(),
        repeatable: fc.boolean(),
        enabled: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
      }),
      { minLength: 1, maxLength: 10 },
    )
    .map((list) => {
      const scripts = new Map(list.map((s, i) => [`s${i}`, { ...s, retries: canFail ? 1 : 2 }]))
      const graph = graphOf(
        ...list.map(({ after, enabled }, i): [string, string[], Record<string, unknown>] => {
          const depends_on = [...new Set(after.filter((n) => n < i).map((n) => `s${n}`))]
          return [`s${i}`, depends_on, { enabled, retry_count: canFail ? 1 : 2 }]
        }),
      )
      return { graph, scripts }
    })

/** Plays a run: `picks` choose what happens next. Checks each decision, and gives the end of every step. */
function play({ graph, scripts }: Plan, picks: Iterator<number>, mayStop = false) {
  let entries = new Map<string, Entry>()
  let command = 'none' as Command
  let now = 0
  const in_flight = new Set<string>()
  const parked = new Set<string>()
  const pick = (n: number): number => (picks.next().value ?? 0) % n
  const ask = () =>
    decide(graph, entries, { now, in_flight, command, repeatable: (step) => scripts.get(step.id)!.repeatable, max_in_flight: 3 })
  const perform = (act: Act): void => {
    const { id, depends_on } = act.step
    const before = entries.get(id)
    if (act.act === 'skip') {
      expect(before).toBeUndefined()
      entries.set(id, { state: 'skipped', reason: act.reason })
    } else if (act.act === 'start') {
      expect(in_flight.has(id)).toBe(false)
      expect(command).not.toBe('pause')
      const allowed = act.recovered ? ['started'] : [undefined, 'retrying', 'released']
      expect(allowed).toContain(before?.state)
      if (act.recovered) expect(scripts.get(id)!.repeatable).toBe(true)
      for (const dependency of depends_on) expect(['completed', 'skipped']).toContain(entries.get(dependency)?.state)
      if (!scripts.get(id)!.condition) entries.set(id, { state: 'skipped', reason: 'condition_false' })
      else {
        entries.set(id, { state: 'started', attempt: act.attempt })
        in_flight.add(id)
        expect(in_flight.size).toBeLessThanOrEqual(3)
      }
    } else {
      in_flight.delete(id)
      entries.set(id, { state: act.act === 'cancel' ? 'cancelled' : 'unknown', attempt: act.attempt })
    }
  }
  const finish = (id: string): void => {
    in_flight.delete(id)
    const { attempt } = entries.get(id) as { attempt: number }
    const script = scripts.get(id)!
    const step = graph.steps.find((s) => s.id === id)!
    const failure = { retryable: !script.hard, maybe_done: false, repeatable: script.repeatable }
    if (script.parks && !parked.has(id)) {
      parked.add(id)
      entries.set(id, { state: 'waiting', attempt, kind: 'reconnect' })
    } else if (script.hard || attempt <= script.failures) {
      const again = triesAgain(step, attempt, failure)
      entries.set(id, again ? { state: 'retrying', attempt: attempt + 1, retry_at: now + 10 } : { state: 'failed', attempt })
    } else entries.set(id, { state: 'completed', attempt })
  }
  for (let turn = 0; turn < 2000; turn++) {
    entries = new Map(JSON.parse(JSON.stringify([...entries])))
    const decision = ask()
    expect(ask()).toEqual(decision)
    if ('done' in decision) {
      for (const step of graph.steps)
        expect(['completed', 'skipped', 'failed', 'cancelled', 'unknown']).toContain(entries.get(step.id)?.state)
      return { outcome: decision.done, ends: new Map([...entries].map(([id, e]) => [id, e.state === 'skipped' ? e.reason : e.state])) }
    }
    if ('do' in decision) {
      decision.do.forEach(perform)
      // What was done and written down is never asked for again.
      const next = ask()
      if ('do' in next) expect(next.do.filter((a) => a.act !== 'start')).toEqual([])
      continue
    }
    const { wait } = decision
    const events: (() => void)[] = wait.in_flight.map((id) => () => finish(id))
    for (const { kind, step_id } of wait.waiting_on) {
      if (kind !== 'timer') events.push(() => entries.set(step_id, { ...(entries.get(step_id) as { attempt: number }), state: 'released' }))
    }
    if (wait.wake_at !== null) events.push(() => (now = wait.wake_at!))
    if (wait.paused) events.push(() => (command = 'none'))
    expect(events.length).toBeGreaterThan(0)
    // Crashes, pauses and stops come only while there are picks left, so that every play ends.
    if (turn < 200 && command !== 'stop_graceful' && command !== 'stop_now') {
      if (in_flight.size > 0) events.push(() => in_flight.clear())
      if (!wait.paused) events.push(() => (command = 'pause'))
      if (mayStop) events.push(() => (command = 'stop_now'))
      if (mayStop) events.push(() => (command = 'stop_graceful'))
    }
    events[pick(events.length)]!()
  }
  throw new Error('the run did not end')
}

const picks = fc.infiniteStream(fc.nat(1000))

describe('decide, in any order of events', () => {
  it('[runs.order-free] completions, crashes, pauses and waits in any order give every step the same end', () => {
    fc.assert(
      fc.property(plans(false), picks, (plan, order) => {
        const straight = play(plan, [][Symbol.iterator]())
        const tangled = play(plan, order[Symbol.iterator]())
        expect(tangled.outcome).toBe('completed')
        expect([...tangled.ends].sort()).toEqual([...straight.ends].sort())
      }),
      { seed, numRuns: 300 },
    )
  })

  it('[runs.order-free] with failing steps the run ends the same way, and nothing is left open', () => {
    fc.assert(
      fc.property(plans(true), picks, (plan, order) => {
        const straight = play(plan, [][Symbol.iterator]())
        const tangled = play(plan, order[Symbol.iterator]())
        expect(tangled.outcome).toBe(straight.outcome)
        if (straight.outcome === 'completed') expect([...tangled.ends].sort()).toEqual([...straight.ends].sort())
      }),
      { seed, numRuns: 300 },
    )
  })

  it('ends when stopped at any moment, with every step accounted for', () => {
    fc.assert(
      fc.property(plans(true), picks, (plan, order) => {
        const { outcome, ends } = play(plan, order[Symbol.iterator](), true)
        if (outcome === 'failed') expect([...ends.values()]).toContain('failed')
        else expect([...ends.values()]).not.toContain('failed')
      }),
      { seed, numRuns: 300 },
    )
  })
})
