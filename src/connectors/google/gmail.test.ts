import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import { OWNER, plain, posted, startGmail } from '../../../test/fakes/gmail.ts'
import { granted, replies, tokens } from '../../../test/fakes/google.ts'
import type { Stub, Trouble } from '../../../test/fakes/stub.ts'
import { missingScopes } from '../scopes.ts'
import { gmail } from './gmail.ts'
import { decoded, readable } from './gmail-parse.ts'
import { google } from './provider.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startGmail()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (access_token: string, config: object = {}, account: { id: string; label: string } | null = null) =>
  toolContext(gmail, { credentials: { access_token }, config: { api_base: stub.url, ...config }, account })
async function call(name: string, input: object, ctx = as(tokens.valid)): Promise<Record<string, unknown>> {
  const tool = gmail.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = () => stub.requests.map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ''}`)
const last = () => posted(stub.requests)
const refuses = (name: string, input: object) => gmail.tools[name]?.input.safeParse(input).error?.issues[0]?.message

const lacks = (name: string, ...has: string[]) =>
  missingScopes(
    gmail.tools[name] as never,
    has.map((it) => (it.startsWith('https:') ? it : `https://www.googleapis.com/auth/${it}`)),
  )

const PLAN = '18c9a1b2c3d4e5f6'
const OWN = '18c9a1b2c3d4e5f7'
const NEWS = '18c9a1b2c3d4e5f8'
/** A message as Gmail might give it, which the stub does not have. */
const message = (payload: object): Trouble => ({
  kind: 'reply',
  reply: { status: 200, body: { id: PLAN, threadId: PLAN, payload: { mimeType: 'text/plain', ...payload } } },
})
const hello = { to: 'bob@example.com', subject: 'Hello', body: 'Hi' }

describe('whose mailbox it is', () => {
  it('reads the profile', async () => {
    expect(await gmail.auth.check(as(tokens.valid))).toEqual({ account: { id: OWNER, label: OWNER }, granted_scopes: null })
    expect(sent()).toEqual(['GET /gmail/v1/users/me/profile'])
  })

  it('leaves the account as the sign-in told it', async () => {
    const account = { id: '108', label: 'Ada' }
    expect(await gmail.auth.check(as(tokens.valid, {}, account))).toMatchObject({ account })
  })

  it('a token that may only send is alive, and says so', async () => {
    const checked = await gmail.auth.check(as(granted('gmail.send')))
    expect(checked).toMatchObject({ account: null, granted_scopes: null, warnings: [expect.stringContaining('send at most')] })
  })

  it.each(['expired', 'revoked'] as const)('an %s token is rejected', async (state) => {
    await expect(gmail.auth.check(as(tokens[state]))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED', details: { status: 401 } })
  })

  it('an account without a mailbox is no success', async () => {
    stub.next({ kind: 'reply', reply: replies.noMailbox() })
    await expect(gmail.auth.check(as(tokens.valid))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      hint: expect.stringContaining('browser'),
    })
  })
})

describe('scopes', () => {
  it('the service asks for what all its tools need', () => {
    for (const tool of Object.values(gmail.tools)) expect(missingScopes(tool, google.services.gmail?.scopes ?? [])).toEqual([])
  })

  it.each(['gmail.readonly', 'gmail.modify', 'https://mail.google.com/'])('%s is enough to read and search', async (scope) => {
    const ctx = as(granted(scope))
    await call('get_email', { message_id: PLAN }, ctx)
    await call('search_emails', { query: 'invoice', max_results: 1 }, ctx)
    expect(lacks('get_email', scope)).toEqual([])
    expect(lacks('search_emails', scope)).toEqual([])
  })

  it.each(['gmail.send', 'gmail.compose', 'gmail.modify', 'https://mail.google.com/'])('%s is enough to send', async (scope) => {
    await call('send_email', hello, as(granted(scope)))
    expect(lacks('send_email', scope)).toEqual([])
  })

  it('names the least that is missing', () => {
    expect(lacks('reply_to_email', 'gmail.send')).toEqual(['https://www.googleapis.com/auth/gmail.readonly'])
    expect(lacks('reply_to_email', 'gmail.modify')).toEqual([])
    // Gmail refuses q under gmail.metadata, so it is no alternative.
    expect(lacks('search_emails', 'gmail.metadata')).toEqual(['https://www.googleapis.com/auth/gmail.readonly'])
  })

  it('a scope that was taken back is told with those that would do', async () => {
    await expect(call('send_email', hello, as(granted('gmail.readonly')))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { status: 403, reason: 'scope', accepted_scopes: expect.arrayContaining(['https://www.googleapis.com/auth/gmail.send']) },
    })
  })

  it('gmail.metadata beside another scope is what stands in the way', async () => {
    const both = as(granted('gmail.metadata', 'gmail.readonly'))
    await expect(call('search_emails', { query: 'x' }, both)).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('Metadata scope'),
      hint: expect.stringContaining('gmail.metadata'),
    })
  })
})

describe('get_email', () => {
  it('decodes headers, text, HTML and names what is attached', async () => {
    expect(await call('get_email', { message_id: PLAN })).toMatchObject({
      id: PLAN,
      thread_id: '18c9a1b2c3d40000',
      from: 'Bob Böhm <bob@example.com>',
      subject: 'Pläne für Mai',
      received_at: '2026-01-01T00:00:00.000Z',
      text: 'Grüße aus Köln\r\n',
      html: '<p>Grüße aus <b>Köln</b></p>',
      attachments: [
        { filename: 'plan.pdf', content_type: 'application/pdf', size: 2048, attachment_id: 'ANGjdJ_attachment' },
        { filename: 'forwarded.eml', content_type: 'message/rfc822' },
      ],
    })
    expect(sent()).toEqual([`GET /gmail/v1/users/me/messages/${PLAN}?format=full`])
  })

  it('reads bytes that Gmail left in the charset of the header', async () => {
    expect(await call('get_email', { message_id: NEWS })).toMatchObject({ text: 'Straße', html: null })
    expect(await call('get_email', { message_id: '18c9a1b2c3d4e5f9' })).toMatchObject({ text: '日本', subject: '日本' })
  })

  it('a text that has a file name is attached, whatever its kind; a kind that objects have a name for is no text', async () => {
    const body = { size: 1, data: 'eA' }
    stub.next(message({ filename: 'notes.txt', body }), message({ mimeType: 'constructor', body }))
    expect(await call('get_email', { message_id: PLAN })).toMatchObject({ text: null, attachments: [{ filename: 'notes.txt' }] })
    expect(await call('get_email', { message_id: PLAN })).toMatchObject({
      text: null,
      html: null,
      attachments: [{ content_type: 'constructor' }],
    })
  })

  it('metadata has headers but no content, minimal not even those', async () => {
    expect(await call('get_email', { message_id: PLAN, format: 'metadata' })).toMatchObject({
      subject: 'Pläne für Mai',
      text: null,
      attachments: [],
    })
    expect(await call('get_email', { message_id: PLAN, format: 'minimal' })).toMatchObject({
      subject: null,
      snippet: `It's <b> &amp; "more"`,
      headers: [],
    })
  })

  it('asks the mailbox that the config names', async () => {
    await call('get_email', { message_id: PLAN }, as(tokens.valid, { user_id: OWNER }))
    expect(stub.requests[0]?.path).toBe('/gmail/v1/users/ada%40example.com/messages/18c9a1b2c3d4e5f6')
    await expect(call('get_email', { message_id: PLAN }, as(tokens.valid, { user_id: 'eve@example.com' }))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('Delegation denied'),
    })
  })

  it('a message that is not there is not found; what is no id is refused before anything is sent', async () => {
    await expect(call('get_email', { message_id: 'abc123' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
    await expect(call('get_email', { message_id: 'ffffffffffffffff' })).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(refuses('get_email', { message_id: '../drafts' })).toContain('hexadecimal')
    expect(refuses('get_email', { message_id: 'FMfcgzQcpnPVtskckfTVKvTdmrrjVXGf' })).toContain('search_emails')
  })

  it.each([
    ['plain', 'plain'],
    ['=?utf-8?q?a_b=3Dc?= and =?UTF-8?B?w7w=?=', 'a b=c and ü'],
    ['=?UTF-8?Q?a?= =?UTF-8?Q?b?=', 'ab'],
    ['=?iso-8859-1*de?Q?=FC?=', 'ü'],
    ['=?no-such-charset?Q?=FC?=', 'ü'],
    ['=?broken?=', '=?broken?='],
  ])('header %s reads %s', (value, text) => {
    expect(readable(value)).toBe(text)
  })

  it('UTF-8 under a single-byte label is read as what it is', () => {
    expect(decoded(Buffer.from('•'), 'windows-1252')).toBe('•')
  })
})

describe('search_emails', () => {
  it('goes through three pages, and tells who and what about', async () => {
    const found: unknown[] = []
    let page_token: string | null | undefined
    let pages = 0
    do {
      const page = await call('search_emails', { query: 'from:shop@example.com', ...(page_token ? { page_token } : {}) })
      found.push(...(page.messages as { subject: string }[]).map((it) => it.subject))
      page_token = page.next_page_token as string | null
      pages += 1
    } while (page_token !== null)
    expect(pages).toBe(3)
    expect(found).toEqual(Array.from({ length: 60 }, (_, i) => `Invoice ${i + 1}`))
  })

  it('sends query, size and labels as Gmail wants them, and asks for the headers that it shows', async () => {
    const { messages, estimated_total } = await call('search_emails', {
      query: 'subject:invoice',
      max_results: 2,
      label_ids: ['INBOX', 'Label_7'],
    })
    expect(messages).toMatchObject([
      { subject: 'Invoice 1', from: 'shop@example.com', label_ids: ['INBOX', 'Label_7'] },
      { subject: 'Invoice 3' },
    ])
    expect(estimated_total).toBe(30)
    const query = stub.requests[0]?.query
    expect(query?.getAll('labelIds')).toEqual(['INBOX', 'Label_7'])
    expect([query?.get('q'), query?.get('maxResults'), query?.has('pageToken')]).toEqual(['subject:invoice', '2', false])
    expect(stub.requests[1]?.query.get('format')).toBe('metadata')
    expect(stub.requests[1]?.query.getAll('metadataHeaders')).toEqual(['From', 'To', 'Cc', 'Subject', 'Date'])
  })

  it('nothing found is an empty page', async () => {
    expect(await call('search_emails', { query: 'nowhere' })).toEqual({ messages: [], next_page_token: null, estimated_total: 0 })
    expect(stub.requests).toHaveLength(1)
  })

  it('leaves out what was deleted meanwhile, but not what cannot be read now', async () => {
    const gone = {
      kind: 'reply',
      reply: { status: 404, body: { error: { code: 404, message: 'Requested entity was not found.' } } },
    } as const
    const list = {
      kind: 'reply',
      reply: {
        status: 200,
        body: {
          messages: [
            { id: PLAN, threadId: PLAN },
            { id: OWN, threadId: OWN },
          ],
        },
      },
    } as const
    stub.next(list, gone)
    expect((await call('search_emails', { query: 'x' })).messages).toHaveLength(1)
    stub.next(list, { kind: 'reply', reply: replies.tooMany(3600) })
    await expect(call('search_emails', { query: 'x' })).rejects.toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 3600 })
  })
})

describe('send_email', () => {
  it('sends what a mail program can read', async () => {
    const { id, thread_id, label_ids } = await call('send_email', {
      to: ['Zoë Zorn <zoe@example.com>', 'bob@example.com, carol@example.com'],
      cc: 'dan@example.com',
      bcc: 'eve@example.com',
      subject: 'Grüße – 日本',
      body: 'Zeile 1\nZeile 2 ü',
      attachments: [{ filename: 'Übersicht.txt', content_base64: Buffer.from('Inhalt').toString('base64'), content_type: 'text/plain' }],
    })
    expect([id === thread_id, label_ids]).toEqual([true, ['SENT']])
    const { get, body, threadId } = last()
    expect(plain(get('to') ?? '')).toBe('Zoë Zorn <zoe@example.com>, bob@example.com, carol@example.com')
    expect([get('cc'), get('bcc'), get('from'), threadId]).toEqual(['dan@example.com', 'eve@example.com', null, undefined])
    expect(plain(get('subject') ?? '')).toBe('Grüße – 日本')
    expect(get('mime-version')).toBe('1.0')
    expect(get('content-type')).toContain('multipart/mixed')
    expect(body).toContain('Zeile 1\r\nZeile 2 =C3=BC')
    expect(body).toContain(Buffer.from('Inhalt').toString('base64'))
    expect(body).toMatch(/Content-Disposition: attachment;\s+filename\*0\*=utf-8''%C3%9Cbersicht\.txt/)
  })

  it('sends HTML as HTML, from the address that is named', async () => {
    await call(
      'send_email',
      { ...hello, body: '<p>Hi</p>', html: true, from: 'Ada L. <ada@corp.example>' },
      as(tokens.valid, { sender_email: 'desk@corp.example' }),
    )
    expect([last().get('from'), last().get('content-type')]).toEqual(['"Ada L." <ada@corp.example>', 'text/html; charset=utf-8'])
    await call('send_email', hello, as(tokens.valid, { sender_email: 'desk@corp.example' }))
    expect(last().get('from')).toBe('desk@corp.example')
  })

  it('marks a message by the key of its step: the same at each try, another for another step', async () => {
    const ctx = as(tokens.valid)
    const marks: (string | null)[][] = []
    for (const key of ['run_1/a', 'run_1/a', 'run_1/b']) {
      await call('send_email', hello, { ...ctx, key })
      marks.push([last().get('message-id'), last().get('x-idempotency-key')])
    }
    expect(marks[0]).toEqual(marks[1])
    expect(marks[0]).not.toEqual(marks[2])
    expect(marks[0]?.[0]).toMatch(/^<[0-9a-f]{40}@agentruntime\.invalid>$/)
    expect(marks[0]?.[0]).toContain(marks[0]?.[1])
  })

  it.each([
    ['a header in the subject', { subject: 'Hi\r\nBcc: eve@example.com' }, 'one line'],
    ['a header in an address', { to: 'bob@example.com\r\nBcc: eve@example.com' }, 'one line'],
    ['a header in a file name', { attachments: [{ filename: 'a\nX: y', content_base64: 'eA==' }] }, 'one line'],
    [
      'a header in a content type',
      { attachments: [{ filename: 'a', content_base64: 'eA==', content_type: 'text/plain\r\nX: y' }] },
      'MIME type',
    ],
    ['a message in a message', { attachments: [{ filename: 'a', content_base64: 'eA==', content_type: 'multipart/mixed' }] }, 'MIME type'],
    ['two senders', { from: 'a@example.com, b@example.com' }, 'one address'],
    ['no address', { to: 'Bob' }, 'must be an address'],
    ['a hidden address', { to: '"eve@example.com"@example.com' }, 'must be an address'],
    ['no recipients', { to: [] }, 'Too small'],
    ['content that is not base64', { attachments: [{ filename: 'a', content_base64: '###' }] }, 'base64'],
    ['a path', { attachments: [{ filename: 'a', content_base64: 'eA==', path: '/etc/passwd' }] }, 'path'],
    ['an unknown field', { priority: 'high' }, 'priority'],
  ])('refuses %s', (_, more, says) => {
    expect(JSON.stringify(gmail.tools.send_email?.input.safeParse({ ...hello, ...more }).error?.issues ?? '')).toContain(says)
  })

  it('a body that looks like headers or like a boundary stays a body', async () => {
    await call('send_email', { ...hello, body: 'Bcc: eve@example.com\r\n\r\n.\r\n--x--' })
    expect(last().get('bcc')).toBeNull()
    expect(last().body).toContain('Bcc: eve@example.com')
  })

  it('a message that is too large is not sent', async () => {
    const content_base64 = Buffer.alloc(5 * 1024 * 1024).toString('base64')
    await expect(call('send_email', { ...hello, attachments: [{ filename: 'a', content_base64 }] })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      hint: expect.stringContaining('Drive'),
    })
    const to = Array.from({ length: 501 }, (_, i) => `p${i}@example.com`)
    await expect(call('send_email', { ...hello, to })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toEqual([])
  })

  it('an answer that cannot be read may be of a message that was sent', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: {} } })
    await expect(call('send_email', hello)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
  })
})

describe('reply_to_email', () => {
  it('stays in the thread: thread, subject, In-Reply-To and References', async () => {
    const { thread_id } = await call('reply_to_email', { message_id: PLAN, body: 'Gut' })
    expect(thread_id).toBe('18c9a1b2c3d40000')
    expect(sent()).toEqual([`GET /gmail/v1/users/me/messages/${PLAN}?format=metadata`, 'POST /gmail/v1/users/me/messages/send'])
    const { get, threadId } = last()
    expect(threadId).toBe('18c9a1b2c3d40000')
    expect(plain(get('subject') ?? '')).toBe('Re: Pläne für Mai')
    expect(get('in-reply-to')).toBe('<plan-2@mail.example.com>')
    expect(get('references')).toBe('<plan-0@mail.example.com> <plan-1@mail.example.com> <plan-2@mail.example.com>')
    expect(plain(get('to') ?? '')).toBe('Bob Böhm <bob@example.com>')
    expect(get('cc')).toBeNull()
  })

  it('to all: everybody once, and not to ourselves', async () => {
    await call('reply_to_email', { message_id: PLAN, body: 'Gut', reply_all: true })
    expect(last().get('cc')).toBe('"Carol, C." <carol@example.com>, dan@example.com')
    expect(sent()[1]).toBe('GET /gmail/v1/users/me/profile')
  })

  it('an answer to a message of our own goes on to those who got it', async () => {
    await call('reply_to_email', { message_id: OWN, body: 'One more thing', reply_all: true })
    expect([last().get('to'), last().get('cc'), last().get('subject')]).toEqual(['bob@example.com', 'dan@example.com', 'Re: Budget'])
    await call('reply_to_email', { message_id: OWN, body: 'One more thing' })
    expect([last().get('to'), last().get('cc')]).toEqual(['bob@example.com', null])
  })

  it('goes to Reply-To where there is one, and not to the alias that was written to', async () => {
    await call('reply_to_email', { message_id: NEWS, body: 'Stop', reply_all: true })
    expect([last().get('to'), last().get('cc')]).toEqual(['desk@example.com', 'all@example.com'])
    expect(last().get('references')).toBe('<old@x.example> <news@x.example>')
  })

  it('a message that nobody sent cannot be answered, nor one whose sender is not plain', async () => {
    await expect(call('reply_to_email', { message_id: '18c9a1b2c3d4e5fa', body: 'x' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    stub.next(message({ headers: [{ name: 'From', value: '"eve@example.com"@example.com' }] }))
    await expect(call('reply_to_email', { message_id: PLAN, body: 'x' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toHaveLength(2)
  })

  it('headers hidden in the message that is answered do not get out', async () => {
    const evil = Buffer.from('x\r\nBcc: eve@example.com').toString('base64')
    const headers = [
      { name: 'From', value: `=?UTF-8?B?${evil}?= <bob@example.com>` },
      { name: 'Subject', value: `=?UTF-8?B?${evil}?=` },
      { name: 'Message-ID', value: '<a@b>\r\nBcc: eve@example.com' },
    ]
    stub.next(message({ headers }))
    await call('reply_to_email', { message_id: PLAN, body: 'x' })
    expect(last().get('bcc')).toBeNull()
    expect(last().get('to')).toContain('<bob@example.com>')
    expect(last().get('in-reply-to')).toBe('<a@b>')
  })
})
