import { Buffer } from 'node:buffer'
import { fail, type ToolContext, tool, z } from '../contract.ts'
import { drive } from './drive-call.ts'
import { FOLDER, found, inside, quoted } from './drive-query.ts'
import { alsoShared, evenShared, File, fileId, PAGE_FIELDS, Page, pageSize, pageToken, SEES, text } from './drive-shapes.ts'

/** So many folders are asked for in one search: at 44 characters each, q stays far below what a URL may have. */
const FOLDERS_AT_ONCE = 20
/** One call of list_files makes at most so many requests; each takes about half a second, and a call may take a minute. */
const MOST_REQUESTS = 20
/** Deeper trees than this are rare, and each level is at least one more request. */
const DEEPEST = 20
const USUAL_PAGE = 100

const TERMS = { name: 'name contains', full_text: 'fullText contains', mime_type: 'mimeType =' } as const

/** Without it only what the account owns or was given; `allDrives` needs both of the others (files.list). */
export const drives = (all = false) => (all ? { supportsAllDrives: true, includeItemsFromAllDrives: true, corpora: 'allDrives' } : {})

const Files = z.object({ files: z.array(File), next_page_token: z.string().nullable(), incomplete_search: z.boolean() })

export async function search(
  ctx: ToolContext,
  q: string,
  more: { all?: boolean | undefined; size?: number | undefined; token?: string | undefined },
) {
  const query = { q, fields: PAGE_FIELDS, pageSize: more.size ?? USUAL_PAGE, pageToken: more.token, ...drives(more.all) }
  const page = Page.safeParse((await drive(ctx, { path: '/drive/v3/files', query })).body)
  if (!page.success) return fail('UPSTREAM_ERROR', 'Google Drive listed files in a way that cannot be read.')
  const { files, nextPageToken, incompleteSearch } = page.data
  return { files, next_page_token: nextPageToken ?? null, incomplete_search: incompleteSearch }
}

export const finds = {
  search_files: tool({
    about:
      'Finds files and folders by name (beginnings of words), by full text or by MIME type; not what is in the bin. To see what a folder holds use list_files. Answers one page; pass next_page_token as page_token for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    scopes: SEES,
    input: z.strictObject({
      query: text.describe('What to look for, as plain text; in a full text search, words in double quotes must stand together'),
      search_by: z.enum(['name', 'full_text', 'mime_type']).optional().describe('name when left out'),
      mime_type: text.optional().describe(`Only files of this type, such as application/pdf, or ${FOLDER} for folders`),
      include_team_drives: alsoShared,
      page_size: pageSize,
      page_token: pageToken,
    }),
    output: Files,
    example: { query: 'Invoice', mime_type: 'application/pdf', page_size: 30 },
    run: (ctx, { query, search_by = 'name', mime_type, include_team_drives, page_size, page_token }) =>
      search(ctx, found(`${TERMS[search_by]} ${quoted(query)}`, mime_type === undefined ? undefined : `mimeType = ${quoted(mime_type)}`), {
        all: include_team_drives,
        size: page_size,
        token: page_token,
      }),
  }),
  list_files: tool({
    about:
      'Lists what lies in a folder (My Drive when none is named), with recursive also in the folders below it: parents says where each one lies. To find a file by its name use search_files. Answers one page; pass next_page_token as page_token for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    scopes: SEES,
    input: z.strictObject({
      folder_id: text.optional().describe('Id of the folder; My Drive when left out'),
      recursive: z.boolean().optional().describe('Go down into subfolders, level by level'),
      max_depth: z
        .int()
        .min(1)
        .max(DEEPEST)
        .optional()
        .describe(`Levels to go down with recursive: 1 is the folder alone; ${DEEPEST} when left out`),
      include_team_drives: alsoShared,
      page_size: pageSize.describe('Files on a page; 100 when left out. With recursive a page may have up to twice as many'),
      page_token: pageToken,
    }),
    output: Files,
    example: { folder_id: 'f-reports', recursive: true },
    run: (ctx, { folder_id = 'root', recursive = false, max_depth = DEEPEST, include_team_drives, page_size, page_token }) => {
      const more = { all: include_team_drives, size: page_size }
      if (!recursive) return search(ctx, found(inside([folder_id])), { ...more, token: page_token })
      return walk(
        ctx,
        page_token === undefined ? { depth: 1, now: [folder_id], below: [], token: null } : restored(page_token),
        max_depth,
        more,
      )
    },
  }),
  get_file_by_id: tool({
    about: 'Reads the facts about one file or folder: name, type, size, folder, times, owners, link. For its content use read_file.',
    effect: 'read',
    repeatable: true,
    scopes: SEES,
    input: z.strictObject({ file_id: fileId, include_team_drives: evenShared }),
    output: File,
    example: { file_id: 'notes' },
    run: (ctx, { file_id, include_team_drives }) => about(ctx, file_id, File, include_team_drives),
  }),
}

/** Facts about one file: those that `wanted` names. */
export async function about<S extends z.ZodObject>(ctx: ToolContext, file_id: string, wanted: S, supportsAllDrives = true) {
  const query = { fields: Object.keys(wanted.shape).join(','), supportsAllDrives }
  const { body } = await drive(ctx, { path: '/drive/v3/files/{file_id}', at: { file_id }, query })
  const known = wanted.safeParse(body)
  return known.success ? known.data : fail('UPSTREAM_ERROR', 'Google Drive described a file in a way that cannot be read.')
}

/** Where a walk through folders stands. It travels in page_token, because nothing of a call is kept here. */
const Walk = z.strictObject({
  depth: z.int().min(1),
  now: z.array(text).min(1).describe('Folders of this level that are still to be listed'),
  below: z.array(text).describe('Folders of the next level that were found'),
  token: text.nullable().describe("Drive's own token, in the middle of the first folders"),
})
type Walk = z.output<typeof Walk>

async function walk(ctx: ToolContext, from: Walk, deepest: number, more: { all: boolean | undefined; size: number | undefined }) {
  const files: File[] = []
  let { depth, now, below, token } = from
  let incomplete = false
  for (let n = 0; n < MOST_REQUESTS && files.length < (more.size ?? USUAL_PAGE) && now.length > 0; n++) {
    const page = await search(ctx, found(inside(now.slice(0, FOLDERS_AT_ONCE))), { ...more, token: token ?? undefined })
    files.push(...page.files)
    below = [...below, ...page.files.filter((it) => it.mimeType === FOLDER).map((it) => it.id)]
    incomplete ||= page.incomplete_search
    token = page.next_page_token
    if (token === null) now = now.slice(FOLDERS_AT_ONCE)
    if (now.length === 0 && depth < deepest) [depth, now, below] = [depth + 1, below, []]
  }
  const rest = now.length === 0 ? null : Buffer.from(JSON.stringify({ depth, now, below, token })).toString('base64url')
  return { files, next_page_token: rest, incomplete_search: incomplete }
}

function restored(token: string): Walk {
  try {
    return Walk.parse(JSON.parse(Buffer.from(token, 'base64url').toString()))
  } catch {
    return fail('INVALID_INPUT', 'page_token is not one of a recursive list_files.', {
      hint: 'Take next_page_token as it came, or begin without one.',
    })
  }
}
