/**
 * Gmail's contract (v1) as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [client] the scopes of each method, as Google's generated client prints them; parameters and fields of users.messages
 * - [errors] "Resolve errors" of the Gmail API
 * - [threads] "Manage threads": threadId, References and In-Reply-To, and the subject decide whether a message joins its thread
 * - [seen] in answers that users of the API quote: ids outside of their range are 400 "Invalid id value", others 404; "Recipient address
 *   required"; "Invalid To header"; what gmail.metadata may not do; snippets escaped as for HTML; a Message-ID of Gmail's own in the place
 *   of the sender's
 * Not known, so chosen: what a wrong page token is answered with, and how q is read (here: from:, subject:, and words).
 */
import { error, google } from './google.ts'
import type { Asked, Recorded, Reply, Route, Stub } from './stub.ts'

const at = (name: string) => `https://www.googleapis.com/auth/${name}`
const ALL = 'https://mail.google.com/'
/** [client] */
const SEND = [at('gmail.addons.current.action.compose'), at('gmail.compose'), at('gmail.modify'), at('gmail.send'), ALL]
const LIST = [at('gmail.metadata'), at('gmail.modify'), at('gmail.readonly'), ALL]
const ADDONS = ['action', 'metadata', 'readonly'].map((it) => at(`gmail.addons.current.message.${it}`))
const GET = [...ADDONS, ...LIST]
const PROFILE = [at('gmail.compose'), ...LIST]

interface Part {
  partId?: string
  mimeType: string
  filename?: string
  headers?: { name: string; value: string }[]
  body?: { size: number; data?: string; attachmentId?: string }
  parts?: Part[]
}
export interface Mail {
  id: string
  threadId: string
  labelIds: string[]
  snippet: string
  internalDate: string
  payload: Part
}

const headers = (of: Record<string, string>) => Object.entries(of).map(([name, value]) => ({ name, value }))
const leaf = (mimeType: string, bytes: Buffer | string, more: Partial<Part> = {}): Part => {
  const content = Buffer.from(bytes)
  return { mimeType, filename: '', headers: [], body: { size: content.length, data: content.toString('base64url') }, ...more }
}
const attached = (mimeType: string, filename: string): Part => ({
  mimeType,
  filename,
  headers: headers({ 'Content-Disposition': `attachment; filename="${filename}"` }),
  body: { size: 2048, attachmentId: 'ANGjdJ_attachment' },
})
const mail = (id: string, of: Record<string, string>, payload: Part, more: Partial<Mail> = {}): Mail => ({
  id,
  threadId: id,
  labelIds: ['INBOX', 'UNREAD'],
  snippet: 'It&#39;s &lt;b&gt; &amp;amp; &quot;more&quot;',
  internalDate: '1767225600000',
  payload: { ...payload, headers: [...headers(of), ...(payload.headers ?? [])] },
  ...more,
})

/** The mailbox is ada@example.com. */
export const OWNER = 'ada@example.com'
const latin = headers({ 'Content-Type': 'text/plain; charset="iso-8859-1"' })
const seed = (): Mail[] => [
  mail(
    '18c9a1b2c3d4e5f6',
    {
      'Delivered-To': OWNER,
      From: '=?UTF-8?Q?Bob_B=C3=B6hm?= <bob@example.com>',
      To: 'Ada <ada@example.com>, "Carol, C." <carol@example.com>',
      Cc: 'dan@example.com, ADA@example.com, bob@example.com',
      Subject: '=?UTF-8?B?UGzDpG5l?=\r\n =?UTF-8?Q?_f=C3=BCr_Mai?=',
      Date: 'Thu, 1 Jan 2026 01:00:00 +0100',
      'Message-ID': '<plan-2@mail.example.com>',
      References: '<plan-0@mail.example.com>\r\n <plan-1@mail.example.com>',
    },
    {
      mimeType: 'multipart/mixed',
      parts: [
        {
          mimeType: 'multipart/alternative',
          parts: [
            leaf('text/plain', 'Grüße aus Köln\r\n', { headers: latin }),
            leaf('text/html', '<p>Grüße aus <b>Köln</b></p>', { headers: headers({ 'Content-Type': 'text/html; charset=utf-8' }) }),
          ],
        },
        attached('application/pdf', 'plan.pdf'),
        { ...attached('message/rfc822', 'forwarded.eml'), parts: [leaf('text/plain', 'not part of this message')] },
      ],
    },
    { threadId: '18c9a1b2c3d40000' },
  ),
  mail(
    '18c9a1b2c3d4e5f7',
    { From: 'ada@example.com', To: 'bob@example.com', Cc: 'dan@example.com', Subject: 'Re: Budget', 'Message-ID': '<own@mail.gmail.com>' },
    leaf('text/plain', 'Mine'),
    { labelIds: ['SENT'] },
  ),
  mail(
    '18c9a1b2c3d4e5f8',
    {
      From: 'list@example.com',
      'Reply-To': 'desk@example.com',
      To: 'all@example.com',
      'Delivered-To': 'a.lovelace@example.com',
      Cc: 'a.lovelace@example.com',
      Subject: 'News',
      'Message-ID': '<news@x.example>',
      'In-Reply-To': '<old@x.example>',
    },
    leaf('text/plain', Buffer.from('Stra\xdfe', 'latin1'), { headers: latin }),
  ),
  mail(
    '18c9a1b2c3d4e5f9',
    { From: 'hana@example.jp', To: OWNER, Subject: '=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=', 'Message-ID': '<jp@example.jp>' },
    leaf('text/plain', Buffer.from('GyRCRnxLXBsoQg==', 'base64'), {
      headers: headers({ 'Content-Type': 'text/plain; charset=ISO-2022-JP' }),
    }),
  ),
  mail('18c9a1b2c3d4e5fa', { To: OWNER, Subject: 'From nobody' }, leaf('text/html', '<p>x</p>')),
  ...Array.from({ length: 60 }, (_, i) =>
    mail(
      (0x18d0_0000_0000_0000n + BigInt(i)).toString(16),
      { From: 'shop@example.com', To: OWNER, Subject: `Invoice ${i + 1}` },
      leaf('text/plain', `No. ${i + 1}`),
      {
        labelIds: i % 2 === 0 ? ['INBOX', 'Label_7'] : ['INBOX'],
      },
    ),
  ),
]
let mails = seed()

const invalid = (message: string, reason = 'invalidArgument') => error(400, message, { reason, status: 'INVALID_ARGUMENT' })
const forbidden = (message: string) => error(403, message, { reason: 'forbidden', status: 'PERMISSION_DENIED' })
export const notFound = () => error(404, 'Requested entity was not found.', { reason: 'notFound', status: 'NOT_FOUND' })
const onlyMetadata = ({ credential }: Asked) => credential.scopes?.includes(at('gmail.metadata')) === true

const route = (call: string, scopes: readonly string[], more: Pick<Route, 'query' | 'body' | 'answer'>): Route => ({
  ...more,
  call,
  scopes,
  answer: (asked) => (asked.at.user === 'me' || asked.at.user === OWNER ? more.answer(asked) : forbidden(`Delegation denied for ${OWNER}`)),
})

const headerOf = ({ payload }: Mail, name: string) => payload.headers?.find((it) => it.name.toLowerCase() === name)?.value ?? ''

function list(asked: Asked): Reply {
  const { query } = asked.req
  const q = query.get('q')
  if (q !== null && onlyMetadata(asked)) return forbidden("Metadata scope does not support 'q' parameter")
  const words = (q ?? '').split(' ').filter((it) => it !== '')
  const says = (it: Mail, word: string) => {
    const [, field, value] = /^(from|subject):(.+)$/.exec(word) ?? [null, null, word]
    const where = field === null ? `${headerOf(it, 'from')} ${headerOf(it, 'subject')}` : headerOf(it, field as string)
    return where.toLowerCase().includes((value as string).toLowerCase())
  }
  const labels = query.getAll('labelIds')
  const found = mails.filter((it) => words.every((w) => says(it, w)) && labels.every((label) => it.labelIds.includes(label)))
  const from = Number(/^page-(\d+)$/.exec(query.get('pageToken') ?? 'page-0')?.[1] ?? Number.NaN)
  if (Number.isNaN(from)) return invalid('Invalid pageToken')
  const to = from + Math.min(Number(query.get('maxResults') ?? 100), 500)
  const messages = found.slice(from, to).map(({ id, threadId }) => ({ id, threadId }))
  return {
    status: 200,
    body: {
      ...(messages.length > 0 ? { messages } : {}),
      ...(to < found.length ? { nextPageToken: `page-${to}` } : {}),
      resultSizeEstimate: found.length,
    },
  }
}

function get(asked: Asked): Reply {
  const { id = '' } = asked.at
  // [seen] A positive 64-bit number in hexadecimal.
  if (!/^[0-9a-f]{1,16}$/i.test(id) || BigInt(`0x${id}`) >= 1n << 63n) return invalid('Invalid id value')
  const it = mails.find((m) => m.id === id)
  if (it === undefined) return notFound()
  const format = asked.req.query.get('format') ?? 'full'
  if (!['full', 'metadata', 'minimal'].includes(format)) return invalid('Invalid value for format')
  if (onlyMetadata(asked) && format === 'full') return forbidden("Metadata scope doesn't allow format FULL")
  const { payload, ...rest } = it
  if (format === 'minimal') return { status: 200, body: rest }
  const wanted = asked.req.query.getAll('metadataHeaders').map((name) => name.toLowerCase())
  const kept = payload.headers?.filter(({ name }) => wanted.length === 0 || wanted.includes(name.toLowerCase()))
  return { status: 200, body: { ...rest, payload: format === 'full' ? payload : { mimeType: payload.mimeType, headers: kept } } }
}

/** Header fields of a raw message, unfolded, and what comes after them. */
export function opened(raw: string): { fields: [string, string][]; body: string } {
  const text = Buffer.from(raw, 'base64url').toString()
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const fields = head
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  return { fields, body: rest.join('\r\n\r\n') }
}
/** Encoded words in UTF-8, which are all that is sent here. */
export const plain = (text: string): string =>
  text.replace(/\?=\s+=\?/g, '?==?').replace(/=\?utf-8\?([qb])\?(.*?)\?=/gi, (_, kind: string, data: string) =>
    kind.toLowerCase() === 'b'
      ? Buffer.from(data, 'base64').toString()
      : decodeURIComponent(
          data
            .replace(/%/g, '%25')
            .replace(/_/g, ' ')
            .replace(/=([0-9A-F]{2})/gi, '%$1'),
        ),
  )
const base = (subject: string) => plain(subject.replace(/\r\n/g, '')).replace(/^(re|fwd?):\s*/i, '')

function send({ body }: Asked): Reply {
  const { raw, threadId } = body
  if (typeof raw !== 'string' || raw === '')
    return invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
  if (!/^[\w-]+={0,2}$/.test(raw)) return invalid("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed")
  const { fields } = opened(raw)
  const field = (name: string) => fields.find((it) => it[0].toLowerCase() === name)?.[1] ?? ''
  const to = ['to', 'cc', 'bcc'].map(field).filter((it) => it !== '')
  if (to.length === 0) return invalid('Recipient address required')
  if (to.some((it) => !/[^\s@]+@[^\s@]+\.[a-z]/i.test(it))) return invalid('Invalid To header')
  // [threads] Otherwise a message begins a thread of its own.
  const refers = `${field('references')} ${field('in-reply-to')}`
  const joins = mails.some(
    (it) =>
      it.threadId === threadId &&
      refers.includes(headerOf(it, 'message-id') || '-') &&
      base(headerOf(it, 'subject')) === base(field('subject')),
  )
  const id = (0x18e0_0000_0000_0000n + BigInt(mails.length)).toString(16)
  mails.push(
    mail(id, { From: OWNER, Subject: base(field('subject')), 'Message-ID': `<CA+${id}@mail.gmail.com>` }, leaf('text/plain', ''), {
      labelIds: ['SENT'],
    }),
  )
  return { status: 200, body: { id, threadId: joins ? threadId : id, labelIds: ['SENT'] } }
}

const USER = '/gmail/v1/users/{user}'
const routes = [
  route(`GET ${USER}/profile`, PROFILE, {
    answer: () => ({ status: 200, body: { emailAddress: OWNER, messagesTotal: mails.length, threadsTotal: mails.length, historyId: '7' } }),
  }),
  route(`GET ${USER}/messages`, LIST, { query: ['includeSpamTrash', 'labelIds', 'maxResults', 'pageToken', 'q'], answer: list }),
  route(`GET ${USER}/messages/{id}`, GET, { query: ['format', 'metadataHeaders'], answer: get }),
  route(`POST ${USER}/messages/send`, SEND, {
    body: ['id', 'threadId', 'labelIds', 'snippet', 'historyId', 'internalDate', 'payload', 'sizeEstimate', 'raw'],
    answer: send,
  }),
]

/** The message in the last request, taken apart. */
export const posted = (requests: readonly Recorded[]) => {
  const { raw, threadId } = JSON.parse(requests.at(-1)?.body ?? '{}') as { raw: string; threadId?: string }
  const { fields, body } = opened(raw)
  return { threadId, fields, body, get: (name: string) => fields.find((it) => it[0].toLowerCase() === name)?.[1] ?? null }
}

export async function startGmail(): Promise<Stub> {
  const stub = await google(routes)
  mails = seed()
  return {
    ...stub,
    reset: () => {
      stub.reset()
      mails = seed()
    },
  }
}
