import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import { PATIENCE_MS } from './call.ts'
import anthropic from './index.ts'
import { judge, resetOf } from './judge.ts'
import { keys, ORGANIZATION, replies, startAnthropic } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startAnthropic()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (api_key: string) => toolContext(anthropic, { credentials: { api_key }, config: { api_base: stub.url } })
async function call(name: string, input: object, ctx = as(keys.valid)): Promise<Record<string, unknown>> {
  const tool = anthropic.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const hello = { model: 'claude-haiku-4-5', messages: [{ role: 'user', content: 'What is the capital of France?' }] }
const bodies = () => stub.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

describe('the key', () => {
  it('tells its organization, and not what it may', async () => {
    expect(await anthropic.auth.check(as(keys.valid))).toEqual({ account: { id: ORGANIZATION, label: ORGANIZATION }, granted_scopes: null })
    expect(stub.requests.map(({ path, query }) => `${path}?${query}`)).toEqual(['/v1/models?limit=1'])
  })

  it('goes into x-api-key, with the version beside it', async () => {
    await call('anthropic_chat', hello)
    expect(stub.requests[0]?.headers).toMatchObject({ 'x-api-key': keys.valid, 'anthropic-version': '2023-06-01' })
    expect(stub.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  it('without credit is a living key: somebody has to pay', async () => {
    expect(await anthropic.auth.check(as(keys.poor))).toMatchObject({ granted_scopes: null })
    await expect(call('anthropic_chat', hello, as(keys.poor))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('Your credit balance is too low'),
      hint: expect.stringContaining('The key itself is fine.'),
      details: { status: 400, reason: 'quota' },
    })
  })

  it('that may not do this is told apart from one that is dead', async () => {
    await expect(anthropic.auth.check(as(keys.narrow))).rejects.toMatchObject({ code: 'SCOPE_MISSING', details: { reason: 'permission' } })
    await expect(anthropic.auth.check(as(keys.revoked))).rejects.toMatchObject({
      code: 'CREDENTIAL_REJECTED',
      message: /invalid x-api-key/,
    })
  })
})

describe('what a refusal means', () => {
  const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
  it.each([
    ['a bill', replies.billing(), 'UPSTREAM_INVALID', 'quota'],
    ['a limit of the workspace', replies.ownLimit('workspace '), 'UPSTREAM_INVALID', 'quota'],
    ['the cap of a tier', replies.tierCap(), 'UPSTREAM_INVALID', 'quota'],
    ['a rate limit', replies.limited({}), 'UPSTREAM_RATE_LIMITED', undefined],
    ['a missing permission', replies.permission(), 'SCOPE_MISSING', 'permission'],
    ['a place that is not served', replies.place(), 'SCOPE_MISSING', 'denied'],
    ['a parameter of older models', replies.deprecated(), 'UPSTREAM_INVALID', undefined],
    ['a model that is not there', replies.noModel('claude-0'), 'UPSTREAM_NOT_FOUND', undefined],
    ['something else that is not there', replies.notFound(), 'UPSTREAM_NOT_FOUND', undefined],
    ['an overload', replies.overloaded(), 'UPSTREAM_ERROR', undefined],
    ['an answer that took too long', replies.slow(), 'UPSTREAM_ERROR', undefined],
  ])('[connectors.403-told-apart] %s', (_, reply, code, reason) => {
    const verdict = heard(reply)
    expect(verdict?.code).toBe(code)
    expect(verdict?.details?.reason).toBe(reason)
    const { error } = reply.body as { error: { message: string } }
    expect(verdict?.message).toContain(error.message)
  })

  it('only a missing model sends to the list of models', () => {
    expect(heard(replies.noModel('claude-0'))?.hint).toContain('anthropic_list_models')
    expect(heard(replies.notFound())?.hint).toBeUndefined()
  })

  const date = 'Thu, 26 Nov 2026 12:00:00 GMT'
  const limit = (of: string, remaining: string, reset: string) => ({
    [`anthropic-ratelimit-${of}-remaining`]: remaining,
    [`anthropic-ratelimit-${of}-reset`]: reset,
  })
  it.each([
    [{ date, ...limit('requests', '0', '2026-11-26T12:00:30Z') }, 30],
    [{ date, ...limit('requests', '0', '2026-11-26T12:00:30Z'), ...limit('output-tokens', '0', '2026-11-26T12:01:00Z') }, 60],
    [{ date, ...limit('requests', '0', '2026-11-26T12:00:30Z'), ...limit('tokens', '9', '2026-11-26T12:01:00Z') }, 30],
    [{ date, ...limit('requests', '0', '2026-11-26T11:00:00Z') }, 0],
    [{ date, ...limit('requests', '3', '2026-11-26T12:00:30Z') }, undefined],
    [{ date, ...limit('requests', '0', 'soon') }, undefined],
    [limit('requests', '0', '2026-11-26T12:00:30Z'), undefined],
  ])('the limit of %j starts anew in %s s', (headers, wait) => {
    expect(resetOf(new Headers(headers as Record<string, string>))).toBe(wait)
  })
})

describe('chat', () => {
  it('answers in text, without what it thought, and says what is paid for', async () => {
    expect(await call('anthropic_chat', { ...hello, system: 'Be brief.', temperature: 0, stop_sequences: ['\n'] })).toEqual({
      text: 'Paris is the capital.',
      json: null,
      stop_reason: 'end_turn',
      model: 'claude-haiku-4-5-20251001',
      usage: { input_tokens: 19, output_tokens: 7 },
    })
    expect(bodies()).toEqual([{ ...hello, system: 'Be brief.', temperature: 0, stop_sequences: ['\n'], max_tokens: 1024, stream: false }])
  })

  it('answers in JSON of a schema, and says so when it was cut off', async () => {
    const json_schema = { type: 'object', properties: { capital: { type: 'string' } }, additionalProperties: false }
    expect(await call('anthropic_chat', { ...hello, json_schema })).toMatchObject({ json: { capital: 'Paris' }, stop_reason: 'end_turn' })
    expect(bodies()[0]).toMatchObject({ output_config: { format: { type: 'json_schema', schema: json_schema } } })
    const cut = await call('anthropic_chat', { ...hello, json_schema, max_tokens: 2 })
    expect(cut).toMatchObject({ text: '{"capita', json: null, stop_reason: 'max_tokens' })
  })

  it('text that happens to be JSON stays text', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { content: [{ type: 'text', text: '7' }] } } })
    expect(await call('anthropic_chat', hello)).toEqual({
      text: '7',
      json: null,
      stop_reason: 'unknown',
      model: 'claude-haiku-4-5',
      usage: null,
    })
  })

  it('text of other blocks is not the answer', async () => {
    const content = [
      { type: 'some_new_block', text: 'Aside' },
      { type: 'text', text: 'Hi' },
    ]
    stub.next({ kind: 'reply', reply: { status: 200, body: { content } } })
    expect(await call('anthropic_chat', hello)).toMatchObject({ text: 'Hi' })
  })

  it('passes a refusal on as one', async () => {
    const messages = [{ role: 'user', content: 'Something forbidden' }]
    expect(await call('anthropic_chat', { ...hello, messages })).toMatchObject({ text: null, stop_reason: 'refusal' })
  })

  it.each([
    ['a temperature for a model that has none', { ...hello, model: 'claude-opus-5', temperature: 0.5 }, 'UPSTREAM_INVALID', /deprecated/],
    ['a schema that is open', { ...hello, json_schema: { type: 'object' } }, 'UPSTREAM_INVALID', /additionalProperties/],
    ['a model that is not there', { ...hello, model: 'claude-0' }, 'UPSTREAM_NOT_FOUND', /model: claude-0/],
    ['more than a model writes', { ...hello, model: 'claude-opus-4-6', max_tokens: 64_001 }, 'UPSTREAM_INVALID', /maximum allowed/],
  ])('%s is said in the words of Anthropic', async (_, input, code, message) => {
    await expect(call('anthropic_chat', input)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(stub.requests).toHaveLength(1)
  })

  it('something else than a message is a failure that may have cost something', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { type: 'message' } } })
    await expect(call('anthropic_chat', hello)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
  })

  it('a limit goes back to the run at once', async () => {
    stub.next({ kind: 'reply', reply: replies.limited({ 'retry-after': '2' }) })
    const ctx = as(keys.valid)
    await expect(call('anthropic_chat', hello, ctx)).rejects.toMatchObject({
      code: 'UPSTREAM_RATE_LIMITED',
      retryAfter: 2,
      maybeDone: false,
    })
    expect(ctx.waits).toEqual([])
  })

  it('is given the minutes that a long answer takes, and a list is not', async () => {
    const ctx = as(keys.valid)
    const inits: unknown[] = []
    const fetch: typeof ctx.fetch = (at, init) => {
      inits.push(init)
      return ctx.fetch(at, init)
    }
    await call('anthropic_chat', hello, { ...ctx, fetch })
    await call('anthropic_list_models', {}, { ...ctx, fetch })
    expect(inits[0]).toMatchObject({ firstByteMs: PATIENCE_MS, timeoutMs: PATIENCE_MS })
    expect(inits[1]).not.toHaveProperty('firstByteMs')
  })

  it.each([
    ['no message', { ...hello, messages: [] }],
    ['a system message among the others', { ...hello, messages: [{ role: 'system', content: 'x' }] }],
    ['streaming', { ...hello, stream: true }],
    ['a temperature above 1', { ...hello, temperature: 1.1 }],
    ['no token at all', { ...hello, max_tokens: 0 }],
  ])('refuses %s', (_, input) => {
    expect(anthropic.tools.anthropic_chat?.input.safeParse(input).success).toBe(false)
  })
})

describe('models', () => {
  it('come with how much they read and write, where that is known', async () => {
    const { items, next_cursor } = await call('anthropic_list_models', {})
    expect((items as object[]).at(-1)).toEqual({
      id: 'claude-haiku-4-5',
      display_name: 'claude haiku 4 5',
      created_at: '2026-04-01T00:00:00Z',
      max_input_tokens: 200_000,
      max_tokens: null,
    })
    expect(next_cursor).toBeNull()
  })

  it('a page after a model that is gone is not there', async () => {
    await expect(call('anthropic_list_models', { cursor: 'claude-0' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })
})
