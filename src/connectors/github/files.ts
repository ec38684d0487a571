import { Buffer } from 'node:buffer'
import { type ToolContext, z } from '../contract.ts'
import { inRepo, maybe, read, send, text, write } from './call.ts'
import { FileCommit } from './shapes.ts'

const CONTENTS = '/repos/{owner}/{repo}/contents/{+path}'
/** GitHub sends contents up to this size in its JSON answer (REST, "Get repository content"). */
const LARGEST_FILE = 1024 * 1024

const hello = { owner: 'octocat', repo: 'hello-world' }
const person = z.strictObject({ name: text, email: text, date: maybe }).optional()
const commit = {
  message: text.describe('Message of the commit'),
  branch: maybe.describe('The default branch when left out'),
  committer: person,
  author: person,
}

const Entry = z.looseObject({ type: z.string(), name: z.string(), path: z.string(), sha: z.string(), size: z.number() })
const Contents = z.looseObject({
  type: z.string().describe('file, dir, symlink or submodule'),
  path: z.string(),
  sha: z.string().optional(),
  size: z.number().optional(),
  content: z.string().nullable().describe('null for folders and for files above 1 MB'),
  encoding: z.enum(['utf-8', 'base64']).nullable().describe('How content is written: text as it is, other bytes in base64'),
  entries: z.array(Entry).optional().describe('Of a folder'),
})

export const files = {
  get_file_contents: read(CONTENTS, {
    about:
      'Reads a file (text as it is, other files as base64) or lists a folder. Files above 1 MB come without content, with a download_url.',
    input: {
      ...inRepo,
      path: z.string().describe('From the root of the repository; "" is the root'),
      ref: maybe.describe('Branch, tag or commit'),
    },
    output: Contents,
    example: { ...hello, path: 'docs/read me.md' },
    run: async (ctx, args) => contents((await send(ctx, 'GET', CONTENTS, args)).body, String(args.path)),
  }),
  create_or_update_file: write('PUT /repos/{owner}/{repo}/contents/{+path}', {
    about:
      'Writes a whole file as a commit. To replace a file, give the sha that get_file_contents showed: a newer file is then not overwritten.',
    destroys: true,
    input: {
      ...inRepo,
      path: text,
      ...commit,
      content: z.string().describe('The whole new content, as text'),
      encoding: z.enum(['utf-8', 'base64']).optional().describe('base64 when content already is base64'),
      sha: maybe.describe('Of the file that is replaced'),
    },
    output: FileCommit,
    example: { ...hello, path: 'docs/new.md', message: 'Add a page', content: 'Grüße\n' },
    run: async (ctx: ToolContext, { encoding, content, ...args }: { encoding?: string; content: string }) =>
      (await send(ctx, 'PUT', CONTENTS, { ...args, content: encoding === 'base64' ? content : Buffer.from(content).toString('base64') }))
        .body,
  }),
  delete_file: write('DELETE /repos/{owner}/{repo}/contents/{+path}', {
    about: 'Deletes one file as a commit. Needs the sha that get_file_contents shows, so that a newer file is not deleted unseen.',
    destroys: true,
    input: { ...inRepo, path: text, ...commit, sha: text },
    output: FileCommit,
    example: { ...hello, path: 'docs/old.md', message: 'Drop a page', sha: 'b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0' },
  }),
}

/** GitHub's answer with its content decoded: an array is a folder. */
export function contents(body: unknown, path: string): unknown {
  if (Array.isArray(body)) return { type: 'dir', path, content: null, encoding: null, entries: body }
  const file = body as { content?: unknown; encoding?: unknown; size?: unknown }
  const bytes = file.encoding === 'base64' && typeof file.content === 'string' ? Buffer.from(file.content, 'base64') : null
  if (bytes === null || bytes.length > LARGEST_FILE) return { ...file, content: null, encoding: null }
  try {
    return { ...file, content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), encoding: 'utf-8' }
  } catch {
    return { ...file, content: bytes.toString('base64'), encoding: 'base64' }
  }
}
