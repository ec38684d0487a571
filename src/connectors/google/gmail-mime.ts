/** A message as it is sent (RFC 5322), built so that nothing in an argument can become a header, a file or an address of its own. */
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import parseAddresses from 'nodemailer/lib/addressparser'
import MailComposer from 'nodemailer/lib/mail-composer'
import { fail, z } from '../contract.ts'

/** Above this Gmail answers 413 to a message in JSON; larger ones would need its upload path. */
const MOST_BYTES = 5 * 1024 * 1024
/** Gmail's limit of recipients of one message ("Gmail sending limits", by the API). */
const MOST_RECIPIENTS = 500
/** RFC 5322 §2.1.1 counts 998 for a line; a longer subject is a body in the wrong place. */
const LONGEST_SUBJECT = 998

const oneLine = z.string().regex(/^[^\u0000-\u001f\u007f]*$/, 'must be one line, without control characters')
export const subject = oneLine.max(LONGEST_SUBJECT)

export interface Address {
  name: string
  address: string
}
/** Without quotes, comments and routes, which only serve to mislead. */
const PLAIN = /^[^\s"<>(),:;@[\]\\]+@[^\s"<>(),:;@[\]\\]+$/
export const addressesIn = (list: string | null): Address[] =>
  parseAddresses(list ?? '', { flatten: true }).filter((it) => PLAIN.test(it.address))

const one = oneLine.min(3).refine((list) => {
  const all = parseAddresses(list, { flatten: true })
  return all.length > 0 && all.every((it) => PLAIN.test(it.address))
}, 'must be an address such as ada@example.com or "Ada Lovelace <ada@example.com>", or several with commas between them')

export const sender = one.refine((list) => addressesIn(list).length === 1, 'must be one address')
export const recipients = z.union([one, z.array(one).min(1)])
export type Recipients = z.output<typeof recipients>
export const listed = (all: Recipients | undefined): Address[] => [all ?? []].flat().flatMap(addressesIn)

export const attachments = z
  .array(
    z.strictObject({
      filename: oneLine.min(1).max(255).describe('As the recipient sees it'),
      content_base64: z.base64(),
      content_type: z
        .string()
        // A multipart or message would be read as a part of this message.
        .regex(/^(?!multipart\/|message\/)[\w.+-]+\/[\w.+-]+$/i, 'must be a MIME type such as application/pdf')
        .optional(),
    }),
  )
  .max(100)

export interface Draft {
  from?: string | undefined
  to: readonly Address[]
  cc?: readonly Address[]
  bcc?: readonly Address[]
  subject: string
  body: string
  html?: boolean | undefined
  attachments?: z.output<typeof attachments> | undefined
  inReplyTo?: string | null
  references?: readonly string[]
}

/**
 * The message in base64url, as `raw` wants it. Its Message-ID comes from `key`, so that the same step of the same run always sends the
 * same one. Gmail often puts one of its own in its place but keeps other headers, so the mark is also in X-Idempotency-Key.
 */
export async function raw(draft: Draft, key: string): Promise<string> {
  const { to, cc = [], bcc = [], from } = draft
  if (to.length + cc.length + bcc.length > MOST_RECIPIENTS)
    fail('INVALID_INPUT', `A message may have ${MOST_RECIPIENTS} recipients at most.`, { hint: 'Send it in several messages.' })
  const mark = createHash('sha256').update(key).digest('hex').slice(0, 40)
  const author = addressesIn(from ?? null)[0]
  const node = new MailComposer({
    // Content is handed over here and nowhere else: no path, no href.
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: 'windows',
    ...(author === undefined ? {} : { from: author }),
    to: [...to],
    cc: [...cc],
    bcc: [...bcc],
    subject: draft.subject,
    messageId: `<${mark}@${author?.address.split('@')[1] ?? 'agentruntime.invalid'}>`,
    headers: { 'X-Idempotency-Key': mark },
    ...(draft.inReplyTo ? { inReplyTo: draft.inReplyTo, references: [...(draft.references ?? [])] } : {}),
    ...(draft.html ? { html: draft.body } : { text: draft.body }),
    attachments: (draft.attachments ?? []).map(({ filename, content_base64, content_type }) => ({
      filename,
      content: Buffer.from(content_base64, 'base64'),
      contentDisposition: 'attachment',
      contentType: content_type ?? 'application/octet-stream',
    })),
  }).compile()
  // Gmail reads the recipients off the headers, takes Bcc out, and delivers to it.
  node.keepBcc = true
  const message = await node.build()
  if (message.length > MOST_BYTES)
    fail('INVALID_INPUT', `The message has ${message.length} bytes; Gmail takes ${MOST_BYTES} this way.`, {
      hint: 'Put large files into Google Drive, share them, and send the link.',
    })
  return message.toString('base64url')
}
