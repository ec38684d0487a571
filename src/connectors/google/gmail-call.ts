/** Calls to one mailbox, and what its messages are. */
import { fail, type ToolContext, z } from '../contract.ts'
import { anyOf, type GoogleCall, send } from './call.ts'

/** Scopes of add-ons are left out: an add-on's token is not got by signing in. */
const ALL = 'https://mail.google.com/'
export const READS = [anyOf('gmail.readonly', 'gmail.modify', ALL)]
export const SENDS = [anyOf('gmail.send', 'gmail.compose', 'gmail.modify', ALL)]

/** `path` begins after the mailbox: `/messages`. */
export async function mailbox<T extends z.ZodType>(ctx: ToolContext, shape: T, call: GoogleCall): Promise<z.output<T>> {
  const { user_id: user = 'me' } = ctx.config as { user_id?: string }
  const path = `/gmail/v1/users/{user}${call.path}`
  const { body } = await send(ctx, { vendor: 'Gmail', ...call, path, at: { ...call.at, user } })
  const read = shape.safeParse(body)
  return read.success
    ? read.data
    : fail('UPSTREAM_ERROR', 'Gmail answered in a way that cannot be read.', { maybeDone: call.method === 'POST' })
}

/** The address of the mailbox. */
export const profile = async (ctx: ToolContext): Promise<string> =>
  (await mailbox(ctx, z.object({ emailAddress: z.string() }), { path: '/profile' })).emailAddress

const Header = z.object({ name: z.string(), value: z.string() })
export type Header = z.output<typeof Header>

/** users.messages, "MessagePart". `data` is base64url; content that is fetched apart has an attachmentId in its place. */
export const Part = z.object({
  mimeType: z.string().default(''),
  filename: z.string().default(''),
  headers: z.array(Header).default([]),
  body: z.object({ size: z.number().default(0), data: z.string().optional(), attachmentId: z.string().optional() }).prefault({}),
  get parts() {
    return z.array(Part).default([])
  },
})
export type Part = z.output<typeof Part>

export const Message = z.object({
  id: z.string(),
  threadId: z.string(),
  labelIds: z.array(z.string()).default([]),
  snippet: z.string().default(''),
  internalDate: z.string().optional(),
  payload: Part.optional(),
})
export type Message = z.output<typeof Message>

export const fetched = (ctx: ToolContext, id: string, format: string, metadataHeaders: readonly string[] = []): Promise<Message> =>
  mailbox(ctx, Message, { path: '/messages/{id}', at: { id }, query: { format, metadataHeaders } })

export const messageId = z
  .string()
  .regex(/^[0-9a-f]{1,16}$/i, 'is the id of a message: hexadecimal digits, as search_emails gives them')
  .describe('id from search_emails')
