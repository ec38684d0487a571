import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import { missingScopes } from '../contract.ts'
import resend from './index.ts'
import { judge } from './judge.ts'
import { DELIVERED, keys, replies, SCHEDULED, startResend } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startResend()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

let calls = 0
/** Each call is another step, so that the vendor's memory of keys does not tie tests together. */
const as = (api_key: string, config: object = {}) => ({
  ...toolContext(resend, { credentials: { api_key }, config: { api_base: stub.url, ...config } }),
  key: `run_1/step_${++calls}`,
})
async function call(name: string, input: object, ctx = as(keys.full)): Promise<Record<string, unknown>> {
  const tool = resend.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const mail = { from: 'Acme <hello@mail.example.com>', to: 'ada@example.com', subject: 'Hello', text: 'How are you?' }
const bodies = () => stub.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

describe('what the key may', () => {
  it('a key with full access may do everything', async () => {
    expect(await resend.auth.check(as(keys.full))).toEqual({ account: null, granted_scopes: ['full_access'], warnings: [] })
  })

  it('[connectors.403-told-apart] a 401 for a key that may only send is a living key with one scope', async () => {
    const checked = await resend.auth.check(as(keys.sending))
    expect(checked).toEqual({ account: null, granted_scopes: ['sending_access'] })
    const lacking = Object.entries(resend.tools).filter(([, tool]) => missingScopes(tool, checked.granted_scopes).length > 0)
    expect(lacking.map(([name]) => name).sort()).toEqual(['cancel_email', 'get_email', 'list_audiences', 'list_domains'])
  })

  it('a key that may only send does send, and is told apart when it reads', async () => {
    expect(await call('send_email', mail, as(keys.sending))).toHaveProperty('id')
    await expect(call('list_domains', {}, as(keys.sending))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      message: 'Resend: this key may only send (401): This API key is restricted to only send emails.',
    })
  })

  it.each(['inactive', 'suspended', 'deleted'] as const)('a key that is %s is rejected by the check and when sending', async (kind) => {
    await expect(resend.auth.check(as(keys[kind]))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    await expect(call('send_email', mail, as(keys[kind]))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
  })

  it('a missing permission of another kind is not taken for a key that may only send', async () => {
    stub.next({ kind: 'reply', reply: replies.permission() })
    await expect(resend.auth.check(as(keys.full))).rejects.toMatchObject({ code: 'SCOPE_MISSING' })
  })

  it('says so when no domain is verified', async () => {
    const items = [{ id: 'd1', name: 'example.com', status: 'pending' }]
    stub.next({ kind: 'reply', reply: { status: 200, body: { object: 'list', has_more: false, data: items } } })
    const { warnings } = await resend.auth.check(as(keys.full))
    expect(warnings).toHaveLength(1)
  })

  it('the stub demands a User-Agent, and its refusal is not held against the key', async () => {
    const ctx = as(keys.full)
    const silent = { ...ctx, fetch: (at: string, init?: RequestInit) => ctx.fetch(at, { ...init, headers: { 'user-agent': '' } }) }
    await expect(resend.auth.check(silent)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', message: expect.stringContaining('1010') })
  })
})

describe('what a refusal means', () => {
  const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
  it.each([
    ['the quota of the day', replies.quota('daily'), { code: 'UPSTREAM_INVALID', details: { reason: 'quota' } }],
    ['a domain that is not verified', replies.unverified(), { code: 'UPSTREAM_INVALID', details: { reason: 'sender' } }],
    ['a key that may only send', replies.restricted(), { code: 'SCOPE_MISSING', details: { reason: 'permission' } }],
    ['too fast, without a word of when', replies.tooFast({}), { code: 'UPSTREAM_RATE_LIMITED', retryAfter: 1 }],
    ['an answer', { status: 200, body: {} }, null],
  ])('%s', (_, reply, verdict) => {
    if (verdict === null) expect(heard(reply)).toBeNull()
    else expect(heard(reply)).toMatchObject(verdict)
  })

  it('a quota is not waited for, although its status is that of a rate limit', async () => {
    stub.next({ kind: 'reply', reply: { ...replies.quota('daily'), headers: { 'retry-after': '1' } } })
    const ctx = as(keys.full)
    await expect(call('send_email', mail, ctx)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', message: /quota is spent \(429\)/ })
    expect(ctx.waits).toEqual([])
    expect(stub.requests).toHaveLength(1)
  })
})

describe('sending', () => {
  it('sends all that Resend takes, and nothing that it does not', async () => {
    await call('send_email', {
      ...mail,
      to: ['ada@example.com', 'Bob <bob@example.com>'],
      html: '<p>How are you?</p>',
      cc: 'cy@example.com',
      bcc: ['di@example.com'],
      reply_to: 'desk@mail.example.com',
      scheduled_at: '2026-12-01T08:00:00Z',
      tags: [{ name: 'kind', value: 'greeting' }],
      headers: { 'X-Entity-Ref-ID': '7' },
      attachments: [{ filename: 'a.txt', content: 'SGVsbG8=', content_type: 'text/plain' }],
    })
    const fields = ['attachments', 'bcc', 'cc', 'from', 'headers', 'html', 'reply_to', 'scheduled_at', 'subject', 'tags', 'text', 'to']
    expect(Object.keys(bodies()[0] ?? {}).sort()).toEqual(fields)
  })

  it.each([
    ['from of the call', { from_email: 'b@mail.example.com' }, mail, mail.from],
    ['from_email of the profile', { from_email: 'Bob <b@mail.example.com>' }, { ...mail, from: undefined }, 'Bob <b@mail.example.com>'],
  ])('%s', async (_, config, input, from) => {
    await call('send_email', input, as(keys.full, config))
    expect(bodies()[0]?.from).toBe(from)
  })

  it('nobody to send from is said before anything is sent', async () => {
    await expect(call('send_email', { ...mail, from: undefined })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toEqual([])
  })

  it('attachments above 40 MB are refused before anything is sent', async () => {
    const content = 'A'.repeat(22 * 1024 * 1024)
    const attachments = ['a', 'b'].map((filename) => ({ filename, content }))
    await expect(call('send_email', { ...mail, attachments })).rejects.toMatchObject({ code: 'INVALID_INPUT', hint: /link/ })
    expect(stub.requests).toEqual([])
  })

  it.each([
    ['no text at all', { ...mail, text: undefined }],
    ['an empty text', { ...mail, text: '' }],
    ['a recipient that is none', { ...mail, to: 'ada' }],
    ['two recipients in one', { ...mail, to: 'ada@example.com, bob@example.com' }],
    ['more than fifty recipients', { ...mail, to: Array.from({ length: 51 }, (_, n) => `p${n}@example.com`) }],
    ['a subject of two lines', { ...mail, subject: 'Hello\r\nBcc: eve@example.com' }],
    ['a header of two lines', { ...mail, headers: { 'X-A': 'a\r\nBcc: eve@example.com' } }],
    ['a tag with a blank', { ...mail, tags: [{ name: 'a b', value: 'c' }] }],
    ['a field nobody knows', { ...mail, template: { id: '1' } }],
  ])('refuses %s', (_, input) => {
    expect(resend.tools.send_email?.input.safeParse(input).success).toBe(false)
  })

  it('[connectors.same-key] every try of a step is the same mail under the same key, which is sent once', async () => {
    const ctx = as(keys.full)
    stub.next({ kind: 'reply', reply: replies.unavailable() })
    const first = await call('send_email', mail, ctx)
    stub.next({ kind: 'cut' })
    await expect(call('send_email', mail, ctx)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    expect(await call('send_email', mail, ctx)).toEqual(first)
    expect(stub.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(4).fill(ctx.key))
    expect(await call('send_email', mail)).not.toEqual(first)
  })

  it('another mail under the same key is a conflict', async () => {
    const ctx = as(keys.full)
    await call('send_email', mail, ctx)
    await expect(call('send_email', { ...mail, subject: 'Other' }, ctx)).rejects.toMatchObject({ code: 'UPSTREAM_CONFLICT' })
  })

  it('the same key at work may be done, and is worth another try', async () => {
    stub.next({ kind: 'reply', reply: replies.concurrent() })
    await expect(call('send_email', mail)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true, details: { status: 409 } })
  })
})

describe('mails and lists', () => {
  it('tells what became of a mail, and cancels one that waits', async () => {
    expect(await call('get_email', { email_id: DELIVERED })).toMatchObject({ last_event: 'delivered' })
    expect(await call('cancel_email', { email_id: SCHEDULED })).toEqual({ id: SCHEDULED })
    await expect(call('cancel_email', { email_id: DELIVERED })).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
  })

  it('[connectors.path-stays] an id leads to no other resource', async () => {
    await expect(call('get_email', { email_id: '..' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(call('get_email', { email_id: '../domains' })).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(stub.requests.map(({ path }) => path)).toEqual(['/emails/..%2Fdomains'])
  })

  it('audiences are asked for as segments, and by their old name where that is all that is known', async () => {
    expect((await call('list_audiences', {})).items).toHaveLength(5)
    stub.next({ kind: 'reply', reply: replies.notFound() })
    expect((await call('list_audiences', {})).items).toHaveLength(1)
    expect(stub.requests.map(({ path }) => path)).toEqual(['/segments', '/segments', '/audiences'])
  })

  it('only a missing place leads to the old name', async () => {
    stub.next({ kind: 'reply', reply: replies.restricted() })
    await expect(call('list_audiences', {})).rejects.toMatchObject({ code: 'SCOPE_MISSING' })
    expect(stub.requests).toHaveLength(1)
  })
})
