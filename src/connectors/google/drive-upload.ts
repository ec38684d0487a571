/** A file and what is said about it in one request: multipart/related (RFC 2387), as Drive's `uploadType=multipart` takes it. */
import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { fail, type ToolContext, z } from '../contract.ts'
import { drive } from './drive-call.ts'
import { FIELDS, type File } from './drive-shapes.ts'

/** "5 MB or less" is what Google gives multipart uploads for; larger files take a resumable upload, which this connector has not. */
export const LARGEST_UPLOAD = 5 * 1024 * 1024

/** RFC 6838 §4.2 with parameters of plain tokens: the type becomes a header line, and nothing else may come into it. */
export const MimeType = z
  .string()
  .max(200)
  .regex(/^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w.-]+)*$/, 'Give a MIME type, such as "text/plain".')

export interface Multipart {
  /** With its boundary. */
  type: string
  body: Buffer<ArrayBuffer>
}

export function multipart(about: object, mime: string, content: Buffer, draw: () => string = randomUUID): Multipart {
  if (content.length > LARGEST_UPLOAD) {
    fail('INVALID_INPUT', `The content has ${content.length} bytes; uploads of this connector may have ${LARGEST_UPLOAD}.`, {
      hint: 'Split the content, or put larger files into Drive by other means.',
    })
  }
  const json = Buffer.from(JSON.stringify(about))
  const boundary = absent([json, content], draw)
  const part = (type: string) => `--${boundary}\r\ncontent-type: ${type}\r\n\r\n`
  return {
    type: `multipart/related; boundary=${boundary}`,
    body: Buffer.concat([
      Buffer.from(part('application/json; charset=UTF-8')),
      json,
      Buffer.from(`\r\n${part(mime)}`),
      content,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]),
  }
}

/** A boundary that stands in none of the parts (RFC 2046 §5.1.1). Who could guess it could end a part early. */
function absent(parts: readonly Buffer[], draw: () => string): string {
  for (;;) {
    const boundary = draw()
    if (parts.every((it) => !it.includes(boundary))) return boundary
  }
}

/** The bytes of a base64 text (RFC 4648 §4): padded, in one piece, and nothing that a lenient reader would skip. */
export function bytesOf(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') === base64) return bytes
  return fail('INVALID_INPUT', 'file_base64 is not base64.', {
    hint: 'Use the standard alphabet with padding, no line breaks, and no "data:…;base64," in front.',
  })
}

/** Makes a new file out of bytes. `media` is what the bytes are, where the new file is to be something else. */
export async function upload(
  ctx: ToolContext,
  it: { name: string; mime: string | undefined; parent: string | undefined; media?: string },
  content: Buffer,
): Promise<File> {
  const about = { name: it.name, mimeType: it.mime, parents: it.parent === undefined ? undefined : [it.parent] }
  const { type, body } = multipart(about, it.media ?? it.mime ?? 'application/octet-stream', content)
  // The body is bytes and not JSON, so it is put in where the request leaves.
  const fetch: ToolContext['fetch'] = (url, init) => ctx.fetch(url, { ...init, body })
  const query = { uploadType: 'multipart', supportsAllDrives: true, fields: FIELDS }
  const headers = { 'content-type': type }
  return (await drive({ ...ctx, fetch }, { method: 'POST', path: '/upload/drive/v3/files', query, headers })).body as File
}
