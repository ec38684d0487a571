/** What a message of the API says, as text. */
import { Buffer } from 'node:buffer'
import type { Header, Message, Part } from './gmail-call.ts'

/**
 * Gmail hands out bodies in UTF-8 and leaves the header with the old charset as it was; where it could not, the bytes are as they were
 * sent. So UTF-8 is tried first, but for the seven-bit encodings that look like it: they begin a switch of alphabets with ESC.
 */
export function decoded(bytes: Uint8Array, charset: string): string {
  const switches = /^iso-2022/i.test(charset) && bytes.includes(0x1b)
  for (const label of switches ? [charset, 'utf-8'] : ['utf-8', charset]) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(bytes)
    } catch {}
  }
  return new TextDecoder('windows-1252').decode(bytes)
}

/** Encoded words (RFC 2047 §2); blanks between two of them belong to neither (§6.2). */
export const readable = (value: string): string =>
  value
    .replace(/(\?=)\s+(?==\?)/g, '$1')
    .replace(/=\?([^?*\s]+)(?:\*[^?]*)?\?([bq])\?([^?\s]*)\?=/gi, (_, charset: string, kind: string, data: string) =>
      decoded(kind.toLowerCase() === 'b' ? Buffer.from(data, 'base64') : quoted(data), charset),
    )

/** The "Q" encoding (RFC 2047 §4.2). */
const quoted = (data: string): Uint8Array =>
  Buffer.from(
    data.replace(/_/g, ' ').replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )

/** Readable, on one line. */
export const headersOf = (part: Part | undefined): Header[] =>
  (part?.headers ?? []).map(({ name, value }) => ({ name, value: readable(value).replace(/\s*[\r\n]+\s*/g, ' ') }))

/** The first header of that name, whatever its case; null when there is none. */
export const header = (headers: readonly Header[], name: string): string | null =>
  headers.find((it) => it.name.toLowerCase() === name)?.value ?? null

export interface Content {
  text: string | null
  html: string | null
  attachments: { filename: string; content_type: string; size: number; attachment_id: string | null }[]
}

/** Text and HTML of a message, apart from what is attached. A forwarded message is an attachment, whatever it holds. */
export function contentOf(payload: Part | undefined): Content {
  const texts: string[] = []
  const htmls: string[] = []
  const attachments: Content['attachments'] = []
  const walk = (part: Part): void => {
    const type = part.mimeType.toLowerCase()
    if (type.startsWith('multipart/')) {
      for (const it of part.parts) walk(it)
      return
    }
    const into = type === 'text/plain' ? texts : type === 'text/html' ? htmls : undefined
    const { data, size, attachmentId } = part.body
    if (into === undefined || part.filename !== '' || attachmentId !== undefined)
      attachments.push({ filename: readable(part.filename), content_type: part.mimeType, size, attachment_id: attachmentId ?? null })
    else if (data !== undefined) into.push(decoded(Buffer.from(data, 'base64url'), charsetOf(part)))
  }
  if (payload !== undefined) walk(payload)
  const joined = (all: string[]) => (all.length === 0 ? null : all.join('\n'))
  return { text: joined(texts), html: joined(htmls), attachments }
}

const charsetOf = (part: Part): string =>
  /charset="?([^";\s]+)/i.exec(part.headers.find((it) => it.name.toLowerCase() === 'content-type')?.value ?? '')?.[1] ?? 'utf-8'

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
/** Gmail escapes snippets as for a web page, with these five. */
const unescaped = (snippet: string): string => snippet.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] ?? '')

/** What every view of a message begins with. */
export function summary(message: Message) {
  const headers = headersOf(message.payload)
  const at = Number(message.internalDate)
  return {
    id: message.id,
    thread_id: message.threadId,
    label_ids: message.labelIds,
    from: header(headers, 'from'),
    to: header(headers, 'to'),
    cc: header(headers, 'cc'),
    subject: header(headers, 'subject'),
    date: header(headers, 'date'),
    received_at: message.internalDate === undefined || !Number.isFinite(at) ? null : new Date(at).toISOString(),
    snippet: unescaped(message.snippet),
  }
}
