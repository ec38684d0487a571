import { describe, expect, it } from 'vitest'
import { Fault } from '../base/errors.ts'
import { exchange, fill, type RestCall, rest } from './rest.ts'

type Step = Response | Fault | (() => Response)

/** A carrier that gives the steps one after the other and notes what was asked and waited for. */
function carrier(...steps: Step[]) {
  const asked: { path: string; init: RequestInit }[] = []
  const waits: number[] = []
  const abort = new AbortController()
  return {
    asked,
    waits,
    abort,
    signal: abort.signal,
    wait: async (ms: number) => void waits.push(ms),
    fetch: async (path: string, init: RequestInit = {}) => {
      asked.push({ path, init })
      const step = steps.shift()
      if (step === undefined) throw new Error('one request too many')
      if (step instanceof Fault) throw step
      return typeof step === 'function' ? step() : step
    },
  }
}

const json = (body: unknown, status = 200, headers = {}) => Response.json(body, { status, headers })
const unsent = () => new Fault('UPSTREAM_ERROR', 'cannot connect')
const cut = () => new Fault('UPSTREAM_ERROR', 'cut', { maybeDone: true })
const broken = () =>
  new Response(new ReadableStream({ start: (c) => c.error(new TypeError('terminated')) }), {
    headers: { 'content-type': 'application/json' },
  })
const faultOf = async (work: Promise<unknown>): Promise<Fault> => {
  const found = await work.then(
    () => null,
    (error: unknown) => error,
  )
  if (!(found instanceof Fault)) throw new Error(`expected a Fault, got ${String(found)}`)
  return found
}

describe('fill', () => {
  it.each([
    ['/a/{x}', { x: 'b c' }, '/a/b%20c'],
    ['/a/{x}/d', { x: 'feature/one' }, '/a/feature%2Fone/d'],
    ['/a/{+x}', { x: '/docs/read me.md' }, '/a/docs/read%20me.md'],
    ['/a/{+x}', { x: '' }, '/a'],
    ['/a/{x}', { x: 7 }, '/a/7'],
    ['/a/{x}', { x: '%2e%2e' }, '/a/%252e%252e'],
    ['/a/{x}', { x: 'q?x=1#f' }, '/a/q%3Fx%3D1%23f'],
  ])('%s with %j is %s', (template, values, path) => {
    expect(fill(template, values)).toBe(path)
    expect(new URL(fill(template, values), 'https://api.example.com').pathname).toBe(path)
  })

  it.each([
    ['/a/{x}', { x: '..' }],
    ['/a/{x}', { x: '.' }],
    ['/a/{x}', { x: '' }],
    ['/a/{x}', {}],
    ['/a/{+x}', { x: 'b/../../c' }],
    ['/a/{+x}', { x: 'b//c' }],
    ['/a/{x}', { x: '\ud800' }],
  ])('[connectors.path-stays] refuses %s with %j', (template, values) => {
    expect(() => fill(template, values)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })
})

describe('what is sent', () => {
  it('leaves out empty query values and always names itself', async () => {
    const ctx = carrier(json({}))
    await rest(ctx, { path: '/a', query: { x: 1, y: undefined, z: 'ü &', no: null } })
    expect(ctx.asked[0]?.path).toBe('/a?x=1&z=%C3%BC+%26')
    const headers = new Headers(ctx.asked[0]?.init.headers)
    expect(Object.fromEntries(headers)).toEqual({ accept: 'application/json', 'user-agent': 'AgentRuntime' })
  })

  it.each([
    [{ a: 1 }, '{"a":1}', 'application/json'],
    ['a=1', 'a=1', 'text/plain; charset=utf-8'],
    [null, 'null', 'application/json'],
  ])('sends %j as %s', async (body, text, type) => {
    const ctx = carrier(json({}))
    await rest(ctx, { method: 'POST', path: '/a', body })
    expect(ctx.asked[0]?.init.body).toBe(text)
    expect(new Headers(ctx.asked[0]?.init.headers).get('content-type')).toBe(type)
  })
})

describe('what is read', () => {
  it.each([
    [json({ a: 1 }), { a: 1 }],
    [new Response('{"a":1}', { headers: { 'content-type': 'text/javascript' } }), { a: 1 }],
    [new Response(null, { status: 204 }), null],
  ])('an answer', async (res, body) => {
    expect((await rest(carrier(res), { path: '/a' })).body).toEqual(body)
  })

  it.each([
    ['text', new Response('fine')],
    ['broken JSON', new Response('{"a":', { headers: { 'content-type': 'application/json' } })],
    ['bytes', new Response(new Uint8Array([0xff, 0xfe]))],
    ['a page', new Response('<!doctype html><p>Sign in to the hotel network', { headers: { 'content-type': 'text/html' } })],
  ])('refuses %s in place of JSON', async (_, res) => {
    const fault = await faultOf(rest(carrier(res), { path: '/a', vendor: 'Acme' }))
    expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', details: { status: 200 } })
    expect(fault.message).toMatch(/^Acme answered with .* not JSON \(200\)\.$/)
  })

  it.each([401, 403, 404])('[connectors.page-is-no-verdict] a web page with %i says nothing about the credential', async (status) => {
    const page = new Response('<html><title>proxy</title>', { status, headers: { 'content-type': 'text/html' } })
    expect((await faultOf(rest(carrier(page), { path: '/a' }))).code).toBe('UPSTREAM_ERROR')
  })

  it('any content is an answer where the caller says so', async () => {
    const ctx = carrier(new Response('<html>', { status: 404, headers: { 'content-type': 'text/html' } }))
    expect(await exchange(ctx, { path: '/a', accept: 'any' })).toMatchObject({
      status: 404,
      body: '<html>',
      verdict: { code: 'UPSTREAM_NOT_FOUND' },
    })
  })

  it("asks the vendor's judge first", async () => {
    const judge: RestCall['judge'] = ({ body }) =>
      (body as { ok: boolean }).ok ? null : { code: 'UPSTREAM_INVALID', message: 'no', details: { x: 1 } }
    expect(await faultOf(rest(carrier(json({ ok: false })), { path: '/a', judge }))).toMatchObject({
      code: 'UPSTREAM_INVALID',
      details: { status: 200, x: 1 },
    })
  })

  it('a body that never ends is a timeout once the signal aborts', async () => {
    const ctx = carrier(broken)
    ctx.abort.abort()
    expect(await faultOf(rest(ctx, { method: 'POST', path: '/a' }))).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
    const other = carrier(broken)
    other.abort.abort(new Fault('RUN_STOPPED', 'stopped'))
    expect((await faultOf(rest(other, { path: '/a' }))).code).toBe('RUN_STOPPED')
  })
})

describe('trying again', () => {
  it.each([429, 502, 503, 504])('a read that meets %i twice is answered at the third try', async (status) => {
    const ctx = carrier(json({}, status), json({}, status), json({ ok: true }))
    expect((await rest(ctx, { path: '/a' })).body).toEqual({ ok: true })
    expect(ctx.waits).toEqual([300, 1200])
  })

  it('gives up after three', async () => {
    const ctx = carrier(json({}, 503), json({}, 503), json({ message: 'down' }, 503))
    expect(await faultOf(rest(ctx, { path: '/a' }))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
  })

  it.each([400, 401, 403, 404, 409, 422, 500, 501])('%i is final', async (status) => {
    const ctx = carrier(json({}, status))
    await faultOf(rest(ctx, { path: '/a' }))
    expect(ctx.waits).toEqual([])
  })

  it.each([
    ['429', json({}, 429, { 'retry-after': '0' }), 'UPSTREAM_RATE_LIMITED', false],
    ['502', json({}, 502), 'UPSTREAM_ERROR', true],
    ['503', json({}, 503), 'UPSTREAM_ERROR', false],
    ['500', json({}, 500), 'UPSTREAM_ERROR', true],
    ['a refused connection', unsent(), 'UPSTREAM_ERROR', false],
    ['a cut connection', cut(), 'UPSTREAM_ERROR', true],
    ['a cut answer', broken, 'UPSTREAM_ERROR', true],
    ['a page', new Response('<html>', { headers: { 'content-type': 'text/html' } }), 'UPSTREAM_ERROR', true],
    ['422', json({}, 422), 'UPSTREAM_INVALID', false],
  ] as const)('[connectors.no-double-write] a write that meets %s is sent once', async (_, step, code, maybeDone) => {
    const ctx = carrier(step)
    expect(await faultOf(rest(ctx, { method: 'POST', path: '/a', body: {} }))).toMatchObject({ code, maybeDone })
    expect(ctx.asked).toHaveLength(1)
  })

  it('a write that may be repeated is, but not when the connection broke after it was sent', async () => {
    const put = { method: 'PUT', path: '/a', idempotent: true }
    expect((await rest(carrier(json({}, 503), unsent(), json({ ok: true })), put)).body).toEqual({ ok: true })
    const ctx = carrier(cut())
    expect((await faultOf(rest(ctx, put))).maybeDone).toBe(true)
  })

  it('a read survives refused, cut and broken answers', async () => {
    expect((await rest(carrier(unsent(), cut(), json({ n: 1 })), { path: '/a' })).body).toEqual({ n: 1 })
    const search = { method: 'POST', path: '/search', body: {}, asks: true } as const
    expect((await rest(carrier(unsent(), cut(), json({ n: 1 })), search)).body).toEqual({ n: 1 })
    expect((await rest(carrier(broken, json({ n: 2 })), { path: '/a' })).body).toEqual({ n: 2 })
  })

  it.each(['EGRESS_BLOCKED', 'STEP_TIMED_OUT'] as const)('%s is final', async (code) => {
    const ctx = carrier(new Fault(code, 'no'))
    expect((await faultOf(rest(ctx, { path: '/a' }))).code).toBe(code)
  })

  it('waits as long as it is told to, and hands long waits back', async () => {
    const short = carrier(json({}, 429, { 'retry-after': '20' }), json({ ok: true }))
    await rest(short, { path: '/a' })
    expect(short.waits).toEqual([20_000])
    const long = carrier(json({}, 429, { 'retry-after': '21' }))
    expect(await faultOf(rest(long, { path: '/a' }))).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 21 })
    expect(long.waits).toEqual([])
  })

  it('stops waiting when the signal does', async () => {
    const ctx = { ...carrier(json({}, 503)), wait: () => Promise.reject(new Fault('RUN_STOPPED', 'stopped')) }
    expect((await faultOf(rest(ctx, { path: '/a' }))).code).toBe('RUN_STOPPED')
  })
})
