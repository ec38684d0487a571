import { type Checked, connector, Fault, type ToolContext, z } from '../contract.ts'
import { apiBase } from './call.ts'
import { DRIVE, whose } from './drive-call.ts'
import { bookTools } from './sheets-files.ts'
import { rowReads } from './sheets-read.ts'
import { tabTools } from './sheets-tabs.ts'
import { rowWrites } from './sheets-write.ts'

const SHEETS = 'https://sheets.googleapis.com'

export const googleSheets = connector({
  slug: 'google-sheets',
  title: 'Google Sheets',
  about: 'Spreadsheets of a Google account: find and make them, their tabs, and rows by number, by value or by name of column.',
  docs: 'https://developers.google.com/workspace/sheets/api/scopes',
  auth: { kind: 'oauth', provider: 'google', service: 'google-sheets', check },
  config: z.strictObject({ api_base: apiBase(`${SHEETS} and ${DRIVE}`) }),
  base: SHEETS,
  baseKey: 'api_base',
  hosts: [new URL(DRIVE).host],
  tools: { ...bookTools, ...tabTools, ...rowReads, ...rowWrites },
})

/** Sheets has no call that tells whose account it is, so Drive is asked. That it wants a scope proves the token all the same. */
async function check(ctx: ToolContext): Promise<Checked> {
  try {
    return await whose(ctx)
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'SCOPE_MISSING') throw error
    const warnings = ['Without a scope of Google Drive, such as drive.metadata.readonly, find_spreadsheets finds nothing.']
    return { account: ctx.account, granted_scopes: null, warnings }
  }
}
