import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { fail, type Tool, type ToolContext, tool, z } from '../contract.ts'
import { phoneOf, read, send, sender } from './call.ts'
import { deliver } from './messages.ts'
import { replyTo, Sent, to } from './shapes.ts'

const MB = 1024 * 1024
const OFFICE = ['application/pdf', 'text/plain', 'application/msword', 'application/vnd.ms-excel', 'application/vnd.ms-powerpoint']
const OPEN_XML = ['wordprocessingml.document', 'spreadsheetml.sheet', 'presentationml.presentation'].map(
  (it) => `application/vnd.openxmlformats-officedocument.${it}`,
)
/** "Supported media types" of the Cloud API: kinds and largest sizes. A sticker that stands still may have 100 KB, a moving one 500. */
export const KINDS: Readonly<Record<string, { most: number; types: readonly string[] }>> = {
  image: { most: 5 * MB, types: ['image/jpeg', 'image/png'] },
  audio: { most: 16 * MB, types: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'] },
  video: { most: 16 * MB, types: ['video/mp4', 'video/3gpp'] },
  document: { most: 100 * MB, types: [...OFFICE, ...OPEN_XML] },
  sticker: { most: 500 * 1024, types: ['image/webp'] },
}
const LONGEST_CAPTION = 1024
const LONGEST_NAME = 240
/** A file name becomes a line of the form: no quotes, no line breaks, no path. */
const FILE_NAME = /^[^"\\/\u0000-\u001f\u007f]+$/

const Uploaded = z.looseObject({ id: z.string() })

/** multipart/form-data (RFC 7578) with Meta's three fields. */
export function form(
  file: { name: string; type: string; bytes: Buffer },
  draw: () => string = randomUUID,
): { type: string; body: Buffer<ArrayBuffer> } {
  // Who could guess the boundary could end a part early (RFC 2046 §5.1.1).
  let boundary = draw()
  while (file.bytes.includes(boundary)) boundary = draw()
  const field = (name: string, value: string) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  const head =
    field('messaging_product', 'whatsapp') +
    field('type', file.type) +
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${file.name}"\r\ncontent-type: ${file.type}\r\n\r\n`
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([Buffer.from(head), file.bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  }
}

interface File {
  media_type: string
  media_base64: string
  mime_type: string
  filename?: string | undefined
  phone_number_id?: string | undefined
}
/** The file goes to Meta first, which keeps it for 30 days under an id. */
async function upload(ctx: ToolContext, it: File): Promise<string> {
  const { most, types } = KINDS[it.media_type] as { most: number; types: readonly string[] }
  if (!types.includes(it.mime_type))
    fail('INVALID_INPUT', `WhatsApp takes no ${it.mime_type} as ${it.media_type}.`, { hint: `It takes ${types.join(', ')}.` })
  const bytes = Buffer.from(it.media_base64, 'base64')
  if (bytes.length > most)
    fail('INVALID_INPUT', `media_base64 has ${bytes.length} bytes; a WhatsApp ${it.media_type} may have ${most}.`, {
      hint: 'Make the file smaller, or send it as a document (100 MB).',
    })
  const { type, body } = form({ name: it.filename ?? it.media_type, type: it.mime_type, bytes })
  // The body is bytes and not JSON, so it is put in where the request leaves.
  const fetch: ToolContext['fetch'] = (url, init) => ctx.fetch(url, { ...init, body })
  const answer = await send(
    { ...ctx, fetch },
    {
      method: 'POST',
      path: '/{phone_number_id}/media',
      at: { phone_number_id: phoneOf(ctx, it.phone_number_id) },
      headers: { 'content-type': type },
      needs: 'whatsapp_business_messaging',
    },
  )
  return read(Uploaded, answer.body).id
}

const input = z
  .strictObject({
    to,
    media_type: z.enum(['image', 'audio', 'video', 'document', 'sticker']),
    media_url: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional()
      .describe('Address of the file that Meta fetches, so anybody must be able to read it'),
    media_id: z
      .string()
      .regex(/^\d{1,64}$/, 'must be the digits of a media id')
      .optional()
      .describe('Id of a file that was uploaded to this number within the last 30 days'),
    media_base64: z.base64().min(1).optional().describe('The whole file; mime_type then says what it is'),
    mime_type: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-]+$/, 'must be a MIME type, such as image/png')
      .max(200)
      .optional()
      .describe('With media_base64: image/jpeg, image/png, application/pdf, …'),
    caption: z.string().min(1).max(LONGEST_CAPTION).optional().describe('Text below an image, a video or a document'),
    filename: z
      .string()
      .max(LONGEST_NAME)
      .regex(FILE_NAME, 'must be a plain file name')
      .optional()
      .describe('Name that a document is shown with; its ending decides the icon'),
    reply_to_message_id: replyTo,
    phone_number_id: sender,
  })
  .refine(
    (it) => [it.media_url, it.media_id, it.media_base64].filter((way) => way !== undefined).length === 1,
    'Give exactly one of media_url, media_id and media_base64.',
  )
  .refine((it) => (it.media_base64 === undefined) === (it.mime_type === undefined), 'mime_type belongs to media_base64, and it alone.')
  .refine((it) => it.caption === undefined || !['audio', 'sticker'].includes(it.media_type), 'Audio and stickers have no caption.')
  .refine(
    (it) => it.filename === undefined || it.media_type === 'document' || it.media_base64 !== undefined,
    'Only a document is shown with a file name.',
  )

export const media: Record<string, Tool> = {
  send_media: tool({
    about:
      'Sends an image, audio, video, document or sticker by WhatsApp to one person who has written within the last 24 hours, from an ' +
      'address, from an uploaded media id, or from the bytes in base64, which are uploaded first. For plain text use send_message.',
    effect: 'write',
    repeatable: false,
    scopes: ['whatsapp_business_messaging'],
    input,
    output: Sent,
    example: { to: '+15550123456', media_type: 'image', media_url: 'https://shop.example/receipt.png', caption: 'Your receipt' },
    run: async (ctx, { media_type, media_url, media_id, media_base64, mime_type, caption, filename, ...frame }) => {
      const id =
        media_base64 !== undefined && mime_type !== undefined
          ? await upload(ctx, { media_type, media_base64, mime_type, filename, phone_number_id: frame.phone_number_id })
          : media_id
      return deliver(ctx, frame, media_type, {
        ...(id === undefined ? { link: media_url } : { id }),
        ...(caption === undefined ? {} : { caption }),
        ...(filename === undefined || media_type !== 'document' ? {} : { filename }),
      })
    },
  }),
}
