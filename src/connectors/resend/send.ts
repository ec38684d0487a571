import { Fault, fail, fill, type RestCall, rest, type ToolContext, tool, z } from '../contract.ts'
import { judge } from './judge.ts'

/** A key is for sending, or for everything; the first is the least that sends. */
export const SENDS = [['sending_access', 'full_access']] as const
export const ALL = ['full_access'] as const

/** "Max 50" (API reference, Send Email). */
const MOST_RECIPIENTS = 50
/** "Max 40MB per email, after Base64 encoding of the attachments" (API reference, Send Email), in characters of base64. */
const MOST_ATTACHED = 40 * 1024 * 1024

export const call = async (ctx: ToolContext, it: RestCall) => (await rest(ctx, { ...it, vendor: 'Resend', judge })).body

const ADDRESS = /^(?:[^<>\r\n]*<[^<>\s@,]+@[^<>\s@,]+>|[^<>\s@,]+@[^<>\s@,]+)$/
export const address = z.string().max(998).regex(ADDRESS, 'must be "ada@example.com" or "Ada <ada@example.com>"')
const people = z.union([address, z.array(address).min(1).max(MOST_RECIPIENTS)])
const oneLine = z
  .string()
  .min(1)
  .regex(/^[^\r\n]*$/, 'must be one line')
const word = z.string().regex(/^[\w-]{1,256}$/, 'has only ASCII letters, digits, "_" and "-", 256 at most')
export const id = z.string().min(1).max(100)

const Sent = z.object({ id: z.string().describe('For get_email and cancel_email') })
const Email = z.looseObject({
  id: z.string(),
  from: z.string().optional(),
  to: z.array(z.string()).optional(),
  subject: z.string().optional(),
  last_event: z.string().optional().describe('What happened last: queued, scheduled, sent, delivered, bounced, complained, opened, …'),
  created_at: z.string().optional(),
  scheduled_at: z.string().nullable().optional(),
})

export const mails = {
  send_email: tool({
    about:
      'Sends one mail, to fifty recipients at most, from an address of a domain that is verified at Resend. Give html, text or both. It goes out at once, unless scheduled_at is given; get_email tells later what became of it.',
    effect: 'write',
    // The same call carries the same Idempotency-Key, which Resend remembers for 24 hours.
    repeatable: true,
    scopes: SENDS,
    input: z
      .strictObject({
        to: people.describe('One address or a list; all of them see each other'),
        subject: oneLine.max(998),
        html: z.string().min(1).optional(),
        text: z.string().optional().describe('Made from html when left out'),
        from: address
          .optional()
          .describe('An address of a verified domain, such as "Acme <hello@mail.example.com>"; from_email of the profile when left out'),
        cc: people.optional(),
        bcc: people.optional().describe('Not seen by the others'),
        reply_to: people.optional(),
        scheduled_at: oneLine.max(100).optional().describe('When to send, in ISO 8601, such as "2026-12-01T08:00:00Z"'),
        tags: z
          .array(z.strictObject({ name: word, value: word }))
          .max(75)
          .optional()
          .describe('Come back in events about the mail'),
        headers: z.record(z.string().regex(/^[\x21-\x39\x3b-\x7e]+$/, 'must be a header name'), oneLine).optional(),
        attachments: z
          .array(
            z.strictObject({
              filename: oneLine.max(255).describe('As the recipient sees it'),
              content: z.base64().describe('The file, in base64'),
              content_type: oneLine.optional().describe('Told from the name when left out'),
              content_id: oneLine.max(127).optional().describe('For an image inside html: <img src="cid:…">'),
            }),
          )
          .min(1)
          .optional()
          .describe('40 MB in base64 at most, all together'),
      })
      .refine(({ html, text }) => html !== undefined || (text ?? '') !== '', 'Give html, text or both.'),
    output: Sent,
    example: { from: 'Acme <hello@mail.example.com>', to: 'ada@example.com', subject: 'Hello', text: 'How are you?' },
    run: async (ctx, mail) => {
      const from = mail.from ?? ctx.config.from_email
      if (typeof from !== 'string')
        fail('INVALID_INPUT', 'Nothing says whom the mail is from.', { hint: 'Give from, or set from_email of the profile.' })
      const attached = (mail.attachments ?? []).reduce((sum, it) => sum + it.content.length, 0)
      if (attached > MOST_ATTACHED)
        fail('INVALID_INPUT', `The attachments have ${attached} characters of base64; Resend takes ${MOST_ATTACHED}.`, {
          hint: 'Put large files elsewhere and send a link.',
        })
      return (await sent(ctx, { ...mail, from })) as z.input<typeof Sent>
    },
  }),
  get_email: tool({
    about: 'Reads one mail that was sent or scheduled with this account: recipients, content, and in last_event what became of it.',
    effect: 'read',
    repeatable: true,
    scopes: ALL,
    input: z.strictObject({ email_id: id.describe('id from send_email') }),
    output: Email,
    example: { email_id: '4ef9a417-02e9-4d39-ad75-9611e0fcc33c' },
    run: async (ctx, at) => (await call(ctx, { path: fill('/emails/{email_id}', at) })) as z.input<typeof Email>,
  }),
  cancel_email: tool({
    about:
      'Cancels a mail that is scheduled and has not gone out yet. It cannot be scheduled again: send it anew if it is wanted after all.',
    effect: 'destroy',
    repeatable: false, // Nothing is said of cancelling twice, so a second call may look like a failure.
    scopes: ALL,
    input: z.strictObject({ email_id: id.describe('id from send_email') }),
    output: Sent,
    example: { email_id: '7a2c1d3e-9f4b-4c8d-8e6f-5b4a3c2d1e0f' },
    run: async (ctx, at) => (await call(ctx, { method: 'POST', path: fill('/emails/{email_id}/cancel', at) })) as z.input<typeof Sent>,
  }),
}

async function sent(ctx: ToolContext, body: object): Promise<unknown> {
  try {
    return await call(ctx, { method: 'POST', path: '/emails', body, headers: { 'idempotency-key': ctx.key }, idempotent: true })
  } catch (error) {
    // Another try with this key is under way at Resend, and may well succeed.
    if (error instanceof Fault && error.details?.reason === 'in_progress') {
      const { code, message, details } = error
      throw new Fault(code, message, { ...(details === undefined ? {} : { details }), maybeDone: true, cause: error })
    }
    throw error
  }
}
