import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import { PATIENCE_MS } from './call.ts'
import openai from './index.ts'
import { judge, resetOf } from './judge.ts'
import { keys, replies, startOpenai } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startOpenai()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (api_key: string, config: object = {}) =>
  toolContext(openai, { credentials: { api_key }, config: { api_base: stub.url, ...config } })
async function call(name: string, input: object, ctx = as(keys.full)): Promise<Record<string, unknown>> {
  const tool = openai.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const hello = {
  model: 'gpt-4.1-mini',
  messages: [{ role: 'user', content: 'What is the capital of France? Answer in JSON if you are asked to.' }],
}
const bodies = () => stub.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

describe('the key', () => {
  it('tells its organization, and not what it may', async () => {
    expect(await openai.auth.check(as(keys.full))).toEqual({ account: { id: 'acme-inc', label: 'acme-inc' }, granted_scopes: null })
  })

  it('[connectors.403-told-apart] that may not list models lives, chats, and is told apart when it lists', async () => {
    const { warnings } = await openai.auth.check(as(keys.chat))
    expect(warnings).toEqual([expect.stringContaining('may not list models')])
    expect(await call('openai_chat', hello, as(keys.chat))).toMatchObject({ text: 'Paris.' })
    await expect(call('openai_list_models', {}, as(keys.chat))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { status: 401, reason: 'permission', missing: 'api.model.read' },
    })
  })

  it('that only lists models is told which permission it lacks to chat', async () => {
    await expect(call('openai_chat', hello, as(keys.reader))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { missing: 'model.request' },
    })
  })

  it('without credit is a living key: somebody has to pay, and nothing is waited for', async () => {
    expect(await openai.auth.check(as(keys.poor))).toMatchObject({ granted_scopes: null })
    const ctx = as(keys.poor)
    await expect(call('openai_chat', hello, ctx)).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      hint: expect.stringContaining('The key itself is fine.'),
      details: { status: 429, reason: 'quota' },
    })
    expect(ctx.waits).toEqual([])
  })

  it.each([
    ['an address that is not allowed', replies.address()],
    ['a country', replies.country()],
  ])('is not condemned by %s', async (_, reply) => {
    stub.next({ kind: 'reply', reply })
    await expect(openai.auth.check(as(keys.full))).rejects.toMatchObject({ code: 'SCOPE_MISSING', details: { reason: 'denied' } })
  })

  it('is not repeated, not even in part, although the answer does', () => {
    const repeats = (status: number, message: string, code?: string): Reply => ({ status, body: { error: { message, code } } })
    const heard = [
      replies.badKey(),
      replies.badKey(keys.deleted),
      repeats(400, `Bad header ${keys.deleted}`),
      repeats(403, `Missing scopes: model.request for ${keys.deleted}`),
      repeats(429, `No credit left on ${keys.deleted}`, 'insufficient_quota'),
    ]
    const said = heard.map(({ status, body }) => judge({ status, headers: new Headers(), body })?.message ?? '')
    expect(said[0]).toContain('Incorrect API key provided: sk-…')
    for (const message of said) expect(message).not.toMatch(/D4-|\*\*/)
  })
})

describe('what a refusal means', () => {
  const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
  it.each([
    ['a wrong key', replies.badKey(), 'CREDENTIAL_REJECTED', undefined],
    ['a missing scope without a code', replies.scope('model.request', 403), 'SCOPE_MISSING', 'permission'],
    ['a missing scope with one', replies.scope('model.request', 401), 'SCOPE_MISSING', 'permission'],
    ['a model of other projects', replies.project(), 'SCOPE_MISSING', 'denied'],
    ['spent credit', replies.quota('credit_balance_exhausted'), 'UPSTREAM_INVALID', 'quota'],
    ['an empty account elsewhere', replies.payment(), 'UPSTREAM_INVALID', 'quota'],
    ['a rate limit', replies.limited({}), 'UPSTREAM_RATE_LIMITED', undefined],
    ['too much at once', replies.tooLarge(), 'UPSTREAM_INVALID', undefined],
    ['a model that is not there', replies.noModel('gpt-0'), 'UPSTREAM_NOT_FOUND', undefined],
    ['an overloaded service', replies.overloaded(), 'UPSTREAM_ERROR', undefined],
  ])('[connectors.403-told-apart] %s', (_, reply, code, reason) => {
    const verdict = heard(reply)
    expect(verdict?.code).toBe(code)
    expect(verdict?.details?.reason).toBe(reason)
    const { error } = reply.body as { error: { message: string } }
    expect(verdict?.message).toContain(error.message.slice(0, 20))
  })

  it.each([
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '12ms' }, 1],
    [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0s' }, 360],
    [
      {
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '1h2m3.5s',
        'x-ratelimit-remaining-requests': '7',
        'x-ratelimit-reset-requests': '9h',
      },
      3724,
    ],
    [
      {
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '2m',
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '20s',
      },
      120,
    ],
    [{ 'x-ratelimit-remaining-tokens': '5', 'x-ratelimit-reset-tokens': '6m0s' }, undefined],
    [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': 'soon' }, undefined],
  ])('the limit of %j starts anew in %s s', (headers, wait) => {
    expect(resetOf(new Headers(headers as Record<string, string>))).toBe(wait)
  })
})

describe('chat', () => {
  it('answers in text, with its reason to end and what is paid for', async () => {
    expect(await call('openai_chat', { ...hello, max_tokens: 50, temperature: 0, stop: ['\n'] })).toEqual({
      text: 'Paris.',
      json: null,
      refusal: null,
      finish_reason: 'stop',
      model: 'gpt-4.1-mini-2026-04-14',
      usage: { input_tokens: 19, output_tokens: 10, total_tokens: 29 },
    })
    expect(bodies()).toEqual([{ ...hello, temperature: 0, stop: ['\n'], max_completion_tokens: 50, stream: false }])
  })

  it('answers in JSON, and says so when it was cut off', async () => {
    const json_schema = { name: 'capital', schema: { type: 'object', properties: { capital: { type: 'string' } } }, strict: true }
    for (const response_format of [{ type: 'json_object' }, { type: 'json_schema', json_schema }])
      expect(await call('openai_chat', { ...hello, response_format })).toMatchObject({ json: { capital: 'Paris' }, finish_reason: 'stop' })
    const cut = await call('openai_chat', { ...hello, response_format: { type: 'json_object' }, max_tokens: 2 })
    expect(cut).toMatchObject({ text: '{"capita', json: null, finish_reason: 'length' })
  })

  it('text that happens to be JSON stays text', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { choices: [{ message: { content: '7' }, finish_reason: 'stop' }] } } })
    expect(await call('openai_chat', hello)).toMatchObject({ text: '7', json: null })
  })

  it('passes a refusal on as one', async () => {
    const messages = [{ role: 'user', content: 'Something forbidden' }]
    expect(await call('openai_chat', { ...hello, messages })).toMatchObject({ text: null, refusal: "I can't help with that." })
  })

  it('names the limit as an older server does, when the profile says so', async () => {
    await call('openai_chat', { ...hello, max_tokens: 50 }, as(keys.full, { max_tokens_name: 'max_tokens' }))
    expect(bodies()).toMatchObject([{ max_tokens: 50 }])
    expect(bodies()[0]).not.toHaveProperty('max_completion_tokens')
    const input = { ...hello, model: 'gpt-5.5', max_tokens: 50 }
    expect(await call('openai_chat', input)).toMatchObject({ text: 'Paris.' })
    await expect(call('openai_chat', input, as(keys.full, { max_tokens_name: 'max_tokens' }))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
    })
  })

  it('takes what little a small server says', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { choices: [{ message: { role: 'assistant', content: 'Hi' } }] } } })
    expect(await call('openai_chat', hello)).toEqual({
      text: 'Hi',
      json: null,
      refusal: null,
      finish_reason: 'unknown',
      model: 'gpt-4.1-mini',
      usage: null,
    })
  })

  it('an answer without a choice is a failure that may have cost something', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { choices: [] } } })
    await expect(call('openai_chat', hello)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
  })

  it('a rate limit goes back to the run at once', async () => {
    stub.next({ kind: 'reply', reply: replies.limited({ 'retry-after': '2' }) })
    const ctx = as(keys.full)
    await expect(call('openai_chat', hello, ctx)).rejects.toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 2, maybeDone: false })
    expect(ctx.waits).toEqual([])
  })

  it('is given the minutes that a long answer takes, and a list is not', async () => {
    const ctx = as(keys.full)
    const inits: unknown[] = []
    const fetch: typeof ctx.fetch = (at, init) => {
      inits.push(init)
      return ctx.fetch(at, init)
    }
    await call('openai_chat', hello, { ...ctx, fetch })
    await call('openai_list_models', {}, { ...ctx, fetch })
    expect(inits[0]).toMatchObject({ firstByteMs: PATIENCE_MS, timeoutMs: PATIENCE_MS })
    expect(inits[1]).not.toHaveProperty('firstByteMs')
  })

  it.each([
    ['no message', { ...hello, messages: [] }],
    ['an unknown role', { ...hello, messages: [{ role: 'tool', content: 'x' }] }],
    ['streaming', { ...hello, stream: true }],
    ['a temperature above 2', { ...hello, temperature: 2.1 }],
    ['a schema without a name', { ...hello, response_format: { type: 'json_schema', json_schema: { schema: {} } } }],
    ['a schema where none belongs', { ...hello, response_format: { type: 'json_object', json_schema: {} } }],
  ])('refuses %s', (_, input) => {
    expect(openai.tools.openai_chat?.input.safeParse(input).success).toBe(false)
  })
})

describe('models and embeddings', () => {
  it('lists models by a part of their names', async () => {
    const { items, next_cursor } = await call('openai_list_models', { contains: 'gpt' })
    expect((items as { id: string }[]).map(({ id }) => id)).toEqual(['gpt-4.1-mini', 'gpt-5.5', 'gpt-5.5-pro'])
    expect((items as object[])[0]).toEqual({ id: 'gpt-4.1-mini', owned_by: 'system', created_at: '2025-04-10T20:22:22.000Z' })
    expect(next_cursor).toBeNull()
  })

  it('a page after a model that is gone is refused, not the first page again', async () => {
    await expect(call('openai_list_models', { cursor: 'gpt-0' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('a list that ends with its page has no further one', async () => {
    expect(await call('openai_list_models', { limit: 6 })).toMatchObject({ next_cursor: null })
    expect(await call('openai_list_models', { limit: 5 })).toMatchObject({ next_cursor: 'gpt-5.5-pro' })
  })

  it('gives vectors in the order of the texts', async () => {
    const input = ['a', 'bb', 'ccc']
    expect(await call('openai_embeddings', { model: 'text-embedding-3-small', input, dimensions: 2 })).toEqual({
      embeddings: [
        [1, 0.5],
        [2, 1],
        [3, 1.5],
      ],
      model: 'text-embedding-3-small',
      total_tokens: 8,
    })
    expect(bodies()).toEqual([{ model: 'text-embedding-3-small', input, dimensions: 2, encoding_format: 'float' }])
  })

  it('a hundred texts are the most', () => {
    const ok = (count: number) => openai.tools.openai_embeddings?.input.safeParse({ model: 'm', input: Array(count).fill('a') }).success
    expect([ok(100), ok(101)]).toEqual([true, false])
  })
})
