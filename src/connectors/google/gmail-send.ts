import { fail, type ToolContext, tool, z } from '../contract.ts'
import { fetched, mailbox, type Message, messageId, profile, READS, SENDS } from './gmail-call.ts'
import { type Address, addressesIn, attachments, type Draft, listed, raw, recipients, sender, subject } from './gmail-mime.ts'
import { header, readable } from './gmail-parse.ts'

const Sent = z.object({ id: z.string(), threadId: z.string(), labelIds: z.array(z.string()).default([]) })
const output = z.object({ id: z.string(), thread_id: z.string(), label_ids: z.array(z.string()) })

const body = z.string().min(1).describe('Plain text, or HTML when html is true')
const html = z.boolean().optional().describe('body is HTML')

async function post(ctx: ToolContext, draft: Draft, threadId?: string) {
  const { sender_email } = ctx.config as { sender_email?: string }
  const message = {
    raw: await raw({ ...draft, from: draft.from ?? sender_email }, ctx.key),
    ...(threadId === undefined ? {} : { threadId }),
  }
  const sent = await mailbox(ctx, Sent, { method: 'POST', path: '/messages/send', body: message })
  return { id: sent.id, thread_id: sent.threadId, label_ids: sent.labelIds }
}

export const sends = {
  send_email: tool({
    about:
      'Sends one message from the connected mailbox, at once; there is no draft and no way back. To answer a message use reply_to_email, which keeps it in its thread.',
    effect: 'write',
    repeatable: false, // messages.send has no idempotency key: a second call is a second mail.
    scopes: SENDS,
    input: z.strictObject({
      to: recipients.describe('An address, several with commas, or a list; "Ada <ada@example.com>" names the person'),
      subject,
      body,
      cc: recipients.optional(),
      bcc: recipients.optional().describe('Not seen by the others'),
      html,
      from: sender.optional().describe('The account itself or one of its verified aliases; the account when left out'),
      attachments: attachments.optional(),
    }),
    output,
    example: { to: 'ada@example.com', subject: 'Hello', body: 'How are you?' },
    run: (ctx, { to, cc, bcc, ...mail }) => post(ctx, { ...mail, to: listed(to), cc: listed(cc), bcc: listed(bcc) }),
  }),
  reply_to_email: tool({
    about:
      'Answers a message in its thread: to its sender, or with reply_all also to its other recipients, but not to the mailbox itself. The subject stays. For a new conversation use send_email.',
    effect: 'write',
    repeatable: false, // As for send_email.
    scopes: [...READS, ...SENDS],
    input: z.strictObject({
      message_id: messageId.describe('id of the message that is answered, from search_emails'),
      body,
      reply_all: z.boolean().optional().describe('Also to everybody else who got the message; false when left out'),
      html,
    }),
    output,
    example: { message_id: '18c9a1b2c3d4e5f6', body: 'Thank you, that suits me well.' },
    run: async (ctx, { message_id, reply_all = false, ...mail }) => {
      const original = await fetched(ctx, message_id, 'metadata')
      const self = reply_all || original.labelIds.includes('SENT') ? await ours(ctx, original) : new Set<string>()
      return post(ctx, { ...mail, ...answering(original, reply_all, self) }, original.threadId)
    },
  }),
}

/** Addresses of the mailbox, as far as they can be known without reading its settings; Delivered-To tells the alias that was written to. */
async function ours(ctx: ToolContext, original: Message): Promise<Set<string>> {
  const { sender_email = '', user_id = '' } = ctx.config as { sender_email?: string; user_id?: string }
  const received = header(original.payload?.headers ?? [], 'delivered-to') ?? ''
  return new Set([await profile(ctx), received, sender_email, user_id, ctx.account?.label ?? ''].map((it) => it.toLowerCase()))
}

/** RFC 5322 §3.6.3 (who is answered) and §3.6.4 (what the answer refers to). */
export function answering(original: Message, all: boolean, self: ReadonlySet<string>): Omit<Draft, 'body'> {
  const headers = original.payload?.headers ?? []
  // Names are decoded after the list is taken apart: a comma within one must not make two people of it.
  const people = (name: string) => addressesIn(header(headers, name)).map((it) => ({ ...it, name: readable(it.name) }))
  const foreign = (it: Address) => !self.has(it.address.toLowerCase())
  const from = people('from')
  // An answer to a message of one's own goes on to those whom it was sent to.
  const own = from.length > 0 && !from.some(foreign)
  const to = own ? people('to') : header(headers, 'reply-to') === null ? from : people('reply-to')
  if (to.length === 0) fail('INVALID_INPUT', 'The message does not say whom to answer.', { hint: 'Name the recipients: use send_email.' })
  const taken = new Set([...self, ...to.map((it) => it.address.toLowerCase())])
  const fresh = ({ address }: Address) => taken.size < taken.add(address.toLowerCase()).size
  const ids = (name: string) => header(headers, name)?.match(/<[^<>\s]+>/g) ?? []
  const [id = null] = ids('message-id')
  const before = ids('references').length > 0 ? ids('references') : ids('in-reply-to')
  const title = readable(header(headers, 'subject') ?? '')
  return {
    to,
    cc: all ? [...people('to'), ...people('cc')].filter(fresh) : [],
    subject: /^re:/i.test(title) ? title : `Re: ${title}`,
    inReplyTo: id,
    references: [...new Set([...before, ...(id === null ? [] : [id])])],
  }
}
