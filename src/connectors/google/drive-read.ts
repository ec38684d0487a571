import { Buffer } from 'node:buffer'
import { fail, type Judge, type ToolContext, tool, z } from '../contract.ts'
import { drive } from './drive-call.ts'
import { about } from './drive-find.ts'
import { FOLDER } from './drive-query.ts'
import { File, fileId, MAKES, parent, READS, text } from './drive-shapes.ts'
import { judge } from './judge.ts'
import { LARGEST_UPLOAD, MimeType, upload } from './drive-upload.ts'

/** In base64 this just fits into the result of a step, which may have four million characters. */
const LARGEST_READ = 3_000_000

const GOOGLE = 'application/vnd.google-apps.'
/** What a Google document is exported as when nothing is said: what a model can read. */
const USUAL_EXPORT: Readonly<Record<string, string>> = {
  [`${GOOGLE}document`]: 'text/markdown',
  [`${GOOGLE}spreadsheet`]: 'text/csv',
  [`${GOOGLE}presentation`]: 'text/plain',
  [`${GOOGLE}drawing`]: 'image/png',
  [`${GOOGLE}script`]: 'application/vnd.google-apps.script+json',
}

export const reads = {
  read_file: tool({
    about: `Reads the content of a file: text as it is, other bytes in base64. Google's own documents are exported first: documents as Markdown, spreadsheets as CSV of the first sheet, presentations as text, or as export_mime_type says. Up to ${LARGEST_READ} bytes. For the facts about a file use get_file_by_id; for rows of a spreadsheet use the google-sheets tools.`,
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      file_id: fileId,
      export_mime_type: MimeType.optional().describe("Format for Google's own documents, such as application/pdf"),
      max_bytes: z.int().min(1).max(LARGEST_READ).optional().describe(`Refuse what is larger; ${LARGEST_READ} when left out`),
    }),
    output: z.object({
      id: z.string(),
      name: z.string(),
      mime_type: z.string().describe('Of the content: that of the export, where there was one'),
      size: z.number().describe('Bytes'),
      encoding: z.enum(['utf-8', 'base64']).describe('How content is written'),
      content: z.string(),
    }),
    example: { file_id: 'notes' },
    run: async (ctx, { file_id, export_mime_type, max_bytes = LARGEST_READ }) => {
      const { id, name, mimeType, size } = await about(ctx, file_id, File.pick({ id: true, name: true, mimeType: true, size: true }))
      const own = mimeType.startsWith(GOOGLE)
      if (!own && export_mime_type !== undefined)
        fail('INVALID_INPUT', `Only Google's own documents are exported, and this is ${mimeType}.`, { hint: 'Leave export_mime_type out.' })
      const mime_type = own ? (export_mime_type ?? USUAL_EXPORT[mimeType] ?? unreadable(mimeType)) : mimeType
      if (!own && Number(size) > max_bytes) tooLarge(Number(size), max_bytes)
      const bytes = await (own ? exported(ctx, file_id, mime_type) : stored(ctx, file_id))
      if (bytes.length > max_bytes) tooLarge(bytes.length, max_bytes)
      return { id, name, mime_type, size: bytes.length, ...written(bytes) }
    },
  }),
  save_file_as_pdf: tool({
    about: `Exports one of Google's own documents (document, spreadsheet, presentation, drawing) as PDF and stores that as a new file. Up to ${LARGEST_UPLOAD} bytes of PDF. To get the PDF itself use read_file with export_mime_type application/pdf.`,
    effect: 'write',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({
      file_id: fileId,
      file_name: text.optional().describe('Name of the PDF; that of the document with ".pdf" when left out'),
      parent_folder: parent,
    }),
    output: File,
    example: { file_id: 'doc' },
    run: async (ctx, { file_id, file_name, parent_folder }) => {
      const { name, mimeType } = await about(ctx, file_id, File.pick({ name: true, mimeType: true }))
      if (!mimeType.startsWith(GOOGLE)) fail('INVALID_INPUT', `Only Google's own documents are exported, and this is ${mimeType}.`)
      if (mimeType === FOLDER) unreadable(mimeType)
      const pdf = await exported(ctx, file_id, 'application/pdf')
      return upload(ctx, { name: file_name ?? `${name}.pdf`, mime: 'application/pdf', parent: parent_folder }, pdf)
    },
  }),
}

/** Text stays text. What is not UTF-8, or has the character 0, which databases of text refuse, is base64. */
export function written(bytes: Buffer): { encoding: 'utf-8' | 'base64'; content: string } {
  if (!bytes.includes(0)) {
    try {
      return { encoding: 'utf-8', content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
    } catch {}
  }
  return { encoding: 'base64', content: bytes.toString('base64') }
}

const stored = (ctx: ToolContext, file_id: string) =>
  bytesAt(ctx, '/drive/v3/files/{file_id}', file_id, { alt: 'media', supportsAllDrives: true })
/** files.export knows no shared drives: it takes files of all of them. */
const exported = (ctx: ToolContext, file_id: string, mimeType: string) =>
  bytesAt(ctx, '/drive/v3/files/{file_id}/export', file_id, { mimeType })

/** Two refusals of an export that look like missing rights (403) and are none. */
const judgeExport: Judge = (heard) => {
  const reason = (heard.body as { error?: { errors?: { reason?: string }[] } } | null)?.error?.errors?.[0]?.reason
  if (reason === 'exportSizeLimitExceeded') {
    return {
      code: 'UPSTREAM_INVALID',
      message: 'Google exports documents of up to 10 MB, and this one is larger (403).',
      details: { reason },
    }
  }
  if (reason === 'fileNotExportable') {
    return { code: 'UPSTREAM_INVALID', message: 'Google does not export files of this type (403).', details: { reason } }
  }
  return judge(heard)
}

/** The bytes as they come. They are kept aside, because of what looks like JSON only its meaning is handed on. */
async function bytesAt(ctx: ToolContext, path: string, file_id: string, query: Record<string, string | boolean>): Promise<Buffer> {
  let last: ArrayBuffer = new ArrayBuffer()
  const fetch: ToolContext['fetch'] = async (url, init) => {
    const answer = await ctx.fetch(url, init)
    const { ok, status, statusText, headers } = answer
    const arrayBuffer = async () => {
      last = await answer.arrayBuffer()
      return last
    }
    return { ok, status, statusText, headers, arrayBuffer, text: () => answer.text(), json: () => answer.json() }
  }
  await drive({ ...ctx, fetch }, { path, at: { file_id }, query, headers: { accept: '*/*' }, accept: 'any', judge: judgeExport })
  return Buffer.from(last)
}

function tooLarge(size: number, most: number): never {
  return fail('UPSTREAM_INVALID', `The content has ${size} bytes; at most ${most} are read.`, {
    hint:
      most < LARGEST_READ ? `Raise max_bytes, up to ${LARGEST_READ}.` : 'Share the link of the file (webViewLink) instead of its content.',
    details: { size, max_bytes: most },
  })
}

function unreadable(mimeType: string): never {
  return fail('INVALID_INPUT', `${mimeType} has no content to read.`, {
    hint:
      mimeType === FOLDER
        ? 'Use list_files to see what a folder holds.'
        : 'Of a shortcut read the file that shortcutDetails names; for others name an export_mime_type.',
  })
}
