import { describe, expect, it } from 'vitest'
import { Fault } from '../base/errors.ts'
import { type Issue, MAX_GRAPH_BYTES, MAX_KEYS, parseDraft, parseGraph } from './graph.ts'
import { upstream } from './structure.ts'

const step = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  type: 'mcp_call',
  instance_id: 'inst_1',
  tool_name: 'send',
  ...more,
})

const issuesOf = (work: () => unknown): Issue[] => {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(Fault)
    expect((error as Fault).code).toBe('GRAPH_INVALID')
    return (error as Fault).details!.issues as Issue[]
  }
  throw new Error('accepted')
}
const found = (raw: unknown) => issuesOf(() => parseGraph(raw)).map(({ code, path, step_id }) => [code, path, step_id])
const ofSteps = (...steps: unknown[]) => found({ steps })

describe('parseGraph', () => {
  it('fills in the defaults', () => {
    expect(parseGraph({ steps: [step('a')] }).steps).toEqual([
      {
        id: 'a',
        type: 'mcp_call',
        instance_id: 'inst_1',
        tool_name: 'send',
        tool_args: {},
        depends_on: [],
        condition: undefined,
        enabled: true,
        retry_count: 0,
        timeout_s: 60,
      },
    ])
  })

  it('takes null and an empty condition as absent, and a dependency named twice as one', () => {
    const [, b] = parseGraph({ steps: [step('a'), step('b', { name: null, condition: ' ', depends_on: ['a', 'a'] })] }).steps
    expect(b).toMatchObject({ depends_on: ['a'] })
    expect(b!.condition).toBeUndefined()
    expect(b!.name).toBeUndefined()
  })

  it('refuses unknown fields by name, with the step and the path', () => {
    const [issue] = issuesOf(() => parseGraph({ steps: [step('a'), step('b', { dependson: [] })] }))
    expect(issue).toEqual({
      step_id: 'b',
      code: 'unknown_field',
      path: 'steps[1].dependson',
      message: 'A step of this type has no field `dependson`. Did you mean `depends_on`?',
      severity: 'error',
    })
    expect(found({ steps: [step('a')], layout: {} })).toEqual([['unknown_field', 'layout', null]])
  })

  it('names missing and wrong fields', () => {
    const wrong = ofSteps({ id: 'a', type: 'mcp_call', retry_count: 11, timeout_s: 0, tool_args: [], enabled: 'yes' })
    expect(wrong.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      ['invalid_field', 'steps[0].enabled', 'a'],
      ['invalid_field', 'steps[0].retry_count', 'a'],
      ['invalid_field', 'steps[0].timeout_s', 'a'],
      ['invalid_field', 'steps[0].tool_args', 'a'],
      ['missing_field', 'steps[0].tool_name', 'a'],
      ['missing_instance', 'steps[0]', 'a'],
    ])
    expect(parseGraph({ steps: [step('a', { instance_id: undefined, server_url: 'https://mcp.example.com' })] }).steps).toHaveLength(1)
  })

  it('knows the step types that are still to come from those that do not exist', () => {
    for (const type of ['lua_script', 'human_task', 'llm_call', 'for_each', 'while']) {
      expect(ofSteps({ id: 'a', type, anything: 1 })).toEqual([['unsupported_step_type', 'steps[0].type', 'a']])
    }
    expect(issuesOf(() => parseGraph({ steps: [{ id: 'a', type: 'mcp_cal' }] }))[0]).toMatchObject({
      code: 'unknown_step_type',
      message: 'There is no step type `mcp_cal`. Did you mean `mcp_call`?',
    })
    expect(ofSteps({ id: 'a' })).toEqual([['missing_field', 'steps[0].type', 'a']])
  })

  it('refuses ids that are no names', () => {
    for (const id of ['1a', 'a b', 'a.b', 'ä', '_a', 'a'.repeat(65), 'constructor']) {
      expect(ofSteps(step(id))).toMatchObject([['invalid_field', 'steps[0].id', expect.anything()]])
    }
    expect(ofSteps(step('a'), step('a'))).toEqual([['duplicate_step_id', 'steps[1].id', 'a']])
    expect(ofSteps({ type: 'mcp_call' })).toEqual([['missing_field', 'steps[0].id', null]])
  })

  it('checks that dependencies exist and make no circle, and names the circle', () => {
    expect(ofSteps(step('a', { depends_on: ['a'] }))).toEqual([['self_dependency', 'steps[0].depends_on[0]', 'a']])
    const [unknown] = issuesOf(() => parseGraph({ steps: [step('fetch'), step('b', { depends_on: ['fetsh'] })] }))
    expect(unknown).toMatchObject({ code: 'unknown_dependency', message: 'There is no step `fetsh`. Did you mean `fetch`?' })
    const circle = [step('x'), step('a', { depends_on: ['c', 'x'] }), step('b', { depends_on: ['a'] }), step('c', { depends_on: ['b'] })]
    const [cycle] = issuesOf(() => parseGraph({ steps: circle }))
    expect(cycle).toMatchObject({ code: 'cycle', step_id: 'a', message: 'These steps wait for each other: a → c → b → a.' })
  })

  it('[runs.graph-limits] refuses what is too large, too deep, has too many keys or keys that reach prototypes', () => {
    const args = (tool_args: unknown) => ({ steps: [step('a', { tool_args })] })
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)])
    expect(parseGraph(args({ x: deep(60) })).steps).toHaveLength(1)
    expect(found(args({ x: deep(61) }))).toMatchObject([['limit_exceeded', expect.stringMatching(/^steps\[0\]\.tool_args\.x/), null]])
    expect(found(args({ x: 'ä'.repeat(MAX_GRAPH_BYTES / 2) }))).toEqual([['limit_exceeded', '', null]])
    const many = Object.fromEntries(Array.from({ length: MAX_KEYS }, (_, i) => [`k${i}`, 1]))
    expect(found(args(many))).toEqual([['limit_exceeded', '', null]])
    expect(found({ steps: Array.from({ length: 201 }, (_, i) => step(`s${i}`)) })).toEqual([['limit_exceeded', 'steps', null]])
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const evil = JSON.parse(`{"x":{"${key}":{"polluted":true}}}`)
      expect(found(args(evil))).toEqual([['forbidden_key', `steps[0].tool_args.x.${key}`, null]])
    }
  })

  it('refuses what is no graph at all', () => {
    for (const raw of [null, 1, 'x', [], {}, { steps: {} }, { steps: [1] }]) expect(found(raw)).toHaveLength(1)
  })
})

describe('parseDraft', () => {
  it('keeps an unfinished graph as it is', () => {
    const raw = { steps: [{ id: 'a' }, { id: 'b', type: 'lua_script', script: 'x' }], layout: { a: [1, 2] } }
    expect(parseDraft(raw)).toEqual(raw)
  })
  it('still wants ids, once each, and the limits', () => {
    const codes = (raw: unknown) => issuesOf(() => parseDraft(raw)).map((issue) => issue.code)
    expect(codes({ steps: [{ id: 'a' }, { id: 'a' }, {}, null] })).toEqual(['duplicate_step_id', 'missing_field', 'invalid_field'])
    expect(codes(JSON.parse('{"steps":[{"id":"a","__proto__":{}}]}'))).toEqual(['forbidden_key'])
  })
})

it('upstream gives all that is settled before a step', () => {
  const { steps } = parseGraph({ steps: [step('c', { depends_on: ['b'] }), step('b', { depends_on: ['a'] }), step('a'), step('x')] })
  expect([...upstream(steps)].map(([id, before]) => [id, [...before].sort().join()])).toEqual([
    ['c', 'a,b'],
    ['b', 'a'],
    ['a', ''],
    ['x', ''],
  ])
})
