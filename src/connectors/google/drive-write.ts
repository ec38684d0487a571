import { Buffer } from 'node:buffer'
import { tool, z } from '../contract.ts'
import { drive } from './drive-call.ts'
import { about } from './drive-find.ts'
import { FOLDER } from './drive-query.ts'
import { CHANGES, evenShared, FIELDS, File, fileId, MAKES, parent, text } from './drive-shapes.ts'
import { bytesOf, LARGEST_UPLOAD, MimeType, upload } from './drive-upload.ts'

/** Named as the type of a new file, they make Drive turn the text into a document of its own; this is what the text then is. */
const IMPORTED: Readonly<Record<string, string>> = {
  'application/vnd.google-apps.document': 'text/plain',
  'application/vnd.google-apps.spreadsheet': 'text/csv',
}
/** Whatever lies in a shared drive is not there for a request without it. */
const ANYWHERE = { supportsAllDrives: true, fields: FIELDS }
const ONE = '/drive/v3/files/{file_id}'
const Gone = z.object({ file_id: z.string(), deleted: z.literal(true) })

export const writes = {
  create_folder: tool({
    about: 'Makes an empty folder. Names need not be unique: look with search_files first, or there will be two of the same name.',
    effect: 'write',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({ name: text, parent_folder: parent }),
    output: File,
    example: { name: 'Contracts', parent_folder: 'f-reports' },
    run: async (ctx, { name, parent_folder }) => {
      const body = { name, mimeType: FOLDER, ...(parent_folder === undefined ? {} : { parents: [parent_folder] }) }
      return (await drive(ctx, { method: 'POST', path: '/drive/v3/files', query: ANYWHERE, body })).body as File
    },
  }),
  create_text_file: tool({
    about: `Makes a new file from text: plain text, Markdown, CSV, JSON, or with a Google type as mime_type a document or spreadsheet of Google's own. Up to ${LARGEST_UPLOAD} bytes. Never replaces a file: a second call makes a second one. For other bytes use upload_file.`,
    effect: 'write',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({
      file_name: text.describe('With its extension, such as "notes.txt"'),
      content: z.string(),
      parent_folder: parent,
      mime_type: MimeType.optional().describe(`text/plain when left out; ${Object.keys(IMPORTED).join(' or ')} converts`),
    }),
    output: File,
    example: { file_name: 'hello.txt', content: 'Grüße\n' },
    run: (ctx, { file_name, content, parent_folder, mime_type = 'text/plain' }) => {
      const media = IMPORTED[mime_type] ?? mime_type
      const charset = media.includes(';') ? '' : '; charset=UTF-8'
      return upload(ctx, { name: file_name, mime: mime_type, parent: parent_folder, media: media + charset }, Buffer.from(content))
    },
  }),
  upload_file: tool({
    about: `Stores bytes, given in base64, as a new file of up to ${LARGEST_UPLOAD} bytes. Never replaces a file: a second call makes a second one. For text use create_text_file.`,
    effect: 'write',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({
      file_name: text.describe('With its extension, such as "logo.png"'),
      file_base64: text.describe('The content in base64 with padding, without line breaks'),
      mime_type: MimeType.optional().describe('Such as image/png; Drive looks at the content when left out'),
      parent_folder: parent,
    }),
    output: File,
    example: { file_name: 'hello.txt', file_base64: 'SGVsbG8K', mime_type: 'text/plain' },
    run: (ctx, { file_name, file_base64, mime_type, parent_folder }) =>
      upload(ctx, { name: file_name, mime: mime_type, parent: parent_folder }, bytesOf(file_base64)),
  }),
  duplicate_file: tool({
    about: 'Copies a file, into another folder if one is named. Folders cannot be copied. A second call makes a second copy.',
    effect: 'write',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({
      file_id: fileId,
      name: text.optional().describe('Name of the copy; "Copy of …" when left out'),
      parent_folder: text.optional().describe('Id of the folder to put it in; that of the original when left out'),
    }),
    output: File,
    example: { file_id: 'notes', name: 'notes (copy).txt' },
    run: async (ctx, { file_id, name, parent_folder }) => {
      const body = { ...(name === undefined ? {} : { name }), ...(parent_folder === undefined ? {} : { parents: [parent_folder] }) }
      return (await drive(ctx, { method: 'POST', path: `${ONE}/copy`, at: { file_id }, query: ANYWHERE, body })).body as File
    },
  }),
  move_file: tool({
    about: 'Moves a file or folder into another folder and out of the one it lies in. Who may see it can change with the folder.',
    effect: 'write',
    repeatable: true, // Ends in the same folder however often it is made.
    scopes: CHANGES,
    input: z.strictObject({
      file_id: fileId,
      folder_id: text.describe('Id of the folder to move it into'),
      include_team_drives: evenShared,
    }),
    output: File,
    example: { file_id: 'notes', folder_id: 'f-2026' },
    run: async (ctx, { file_id, folder_id, include_team_drives = true }) => {
      const { parents = [] } = await about(ctx, file_id, File.pick({ parents: true }), include_team_drives)
      const away = parents.filter((it) => it !== folder_id).join(',')
      const query = {
        ...ANYWHERE,
        supportsAllDrives: include_team_drives,
        ...(parents.includes(folder_id) ? {} : { addParents: folder_id }),
        ...(away === '' ? {} : { removeParents: away }),
      }
      return (await drive(ctx, { method: 'PATCH', path: ONE, at: { file_id }, query, body: {}, idempotent: true })).body as File
    },
  }),
  trash_file: tool({
    about:
      'Puts a file or folder, with all that is in it, into the bin, where Google deletes it after 30 days. To delete at once use delete_file.',
    effect: 'destroy',
    repeatable: true,
    scopes: CHANGES,
    input: z.strictObject({ file_id: fileId, include_team_drives: evenShared }),
    output: File,
    example: { file_id: 'notes' },
    run: async (ctx, { file_id, include_team_drives = true }) => {
      const query = { ...ANYWHERE, supportsAllDrives: include_team_drives }
      return (await drive(ctx, { method: 'PATCH', path: ONE, at: { file_id }, query, body: { trashed: true }, idempotent: true }))
        .body as File
    },
  }),
  delete_file: tool({
    about:
      'Deletes a file, or a folder with all that is in it, for good: it does not go to the bin and cannot be had back. Prefer trash_file.',
    effect: 'destroy',
    repeatable: true, // A second one finds nothing and changes nothing.
    scopes: MAKES,
    input: z.strictObject({ file_id: fileId, include_team_drives: evenShared }),
    output: Gone,
    example: { file_id: 'notes' },
    run: async (ctx, { file_id, include_team_drives = true }) => {
      await drive(ctx, {
        method: 'DELETE',
        path: ONE,
        at: { file_id },
        query: { supportsAllDrives: include_team_drives },
        idempotent: true,
      })
      return { file_id, deleted: true as const }
    },
  }),
}
