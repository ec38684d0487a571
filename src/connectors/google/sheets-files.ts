import { type ToolContext, tool, z } from '../contract.ts'
import { drive } from './drive-call.ts'
import { search } from './drive-find.ts'
import { found, quoted } from './drive-query.ts'
import { alsoShared, File, pageToken, SEES } from './drive-shapes.ts'
import { sheets, understood } from './sheets-call.ts'
import { MAKES, text } from './sheets-shapes.ts'

const SPREADSHEET = 'application/vnd.google-apps.spreadsheet'
/** Google's maximum for a page of files.list. */
const MOST_RESULTS = 1000

const Made = z.object({ spreadsheetId: z.string(), spreadsheetUrl: z.string(), properties: z.object({ title: z.string() }) })
const MadeInDrive = z.object({ id: z.string(), name: z.string(), webViewLink: z.string() })

export const bookTools = {
  find_spreadsheets: tool({
    about:
      'Finds spreadsheets by name in Google Drive (beginnings of words), not those in the bin. Answers one page; pass next_page_token as page_token for more, null means there are none. For the tabs of one use find_worksheet.',
    effect: 'read',
    repeatable: true,
    scopes: SEES,
    input: z.strictObject({
      name: text,
      exact_match: z.boolean().optional().describe('Only the very name; false when left out'),
      include_team_drives: alsoShared,
      max_results: z.int().min(1).max(MOST_RESULTS).optional().describe('Spreadsheets on a page; 100 when left out'),
      page_token: pageToken,
    }),
    output: z.object({ spreadsheets: z.array(File), next_page_token: z.string().nullable(), incomplete_search: z.boolean() }),
    example: { name: 'Plan', max_results: 30 },
    run: async (ctx, { name, exact_match = false, include_team_drives, max_results, page_token }) => {
      const q = found(`mimeType = ${quoted(SPREADSHEET)}`, `name ${exact_match ? '=' : 'contains'} ${quoted(name)}`)
      const { files, ...page } = await search(ctx, q, { all: include_team_drives, size: max_results, token: page_token })
      return { spreadsheets: files, ...page }
    },
  }),
  create_spreadsheet: tool({
    about:
      'Makes a new spreadsheet with one blank tab, in My Drive or in a folder. With folder_id it needs the scope drive.file or drive; without, spreadsheets does too. A second call makes a second one.',
    effect: 'write',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({ title: text, folder_id: text.optional().describe('Id of a folder in Drive; My Drive when left out') }),
    output: z.object({ spreadsheet_id: z.string(), title: z.string(), url: z.string() }),
    example: { title: 'Orders 2026' },
    run: (ctx, { title, folder_id }) => (folder_id === undefined ? create(ctx, title) : createIn(ctx, title, folder_id)),
  }),
}

async function create(ctx: ToolContext, title: string) {
  const query = { fields: 'spreadsheetId,spreadsheetUrl,properties.title' }
  const answer = await sheets(ctx, { method: 'POST', path: '/v4/spreadsheets', query, body: { properties: { title } } })
  const it = understood(Made, answer)
  return { spreadsheet_id: it.spreadsheetId, title: it.properties.title, url: it.spreadsheetUrl }
}

/** Sheets knows no folders, so Drive makes it. */
async function createIn(ctx: ToolContext, title: string, folder: string) {
  const query = { supportsAllDrives: true, fields: 'id,name,webViewLink' }
  const body = { name: title, mimeType: SPREADSHEET, parents: [folder] }
  const it = understood(MadeInDrive, await drive(ctx, { method: 'POST', path: '/drive/v3/files', query, body }))
  return { spreadsheet_id: it.id, title: it.name, url: it.webViewLink }
}
