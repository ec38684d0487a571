/** What the spreadsheet tools ask Google for: requests, the tab behind an id, and the values of a range. */
import { type Answer, fail, type ToolContext, z } from '../contract.ts'
import { type GoogleCall, send } from './call.ts'
import { quotedTitle, rowsOf } from './sheets-range.ts'
import { Cell, type InTab, Properties } from './sheets-shapes.ts'

const BOOK = '/v4/spreadsheets/{spreadsheet_id}'
const VALUES = `${BOOK}/values/{range}`

export const sheets = (ctx: ToolContext, call: GoogleCall): Promise<Answer> => send(ctx, { vendor: 'Google Sheets', ...call })

/** Google answered, but not in the way that its reference describes. */
export function understood<S extends z.ZodType>(shape: S, { body }: Answer): z.output<S> {
  const known = shape.safeParse(body)
  return known.success ? known.data : fail('UPSTREAM_ERROR', 'Google Sheets answered in a way that cannot be read.')
}

const Book = z.object({ sheets: z.array(z.object({ properties: Properties })).default([]) })

export async function tabsOf(ctx: ToolContext, spreadsheet_id: string): Promise<Properties[]> {
  const call = { path: BOOK, at: { spreadsheet_id }, query: { fields: 'sheets.properties' } }
  return understood(Book, await sheets(ctx, call)).sheets.map((it) => it.properties)
}

export interface Grid {
  title: string
  rows: number
  columns: number
}

/** A range names a tab by its title, which people change; the id stays. */
export async function gridOf(ctx: ToolContext, { spreadsheet_id, sheet_id }: InTab): Promise<Grid> {
  const tab = (await tabsOf(ctx, spreadsheet_id)).find((it) => it.sheetId === sheet_id)
  if (tab === undefined) {
    return fail('UPSTREAM_NOT_FOUND', `The spreadsheet has no tab with sheet_id ${sheet_id}.`, {
      hint: 'find_worksheet tells the sheet_id of each tab.',
    })
  }
  const { title, gridProperties: grid } = tab
  if (grid === undefined) return fail('INVALID_INPUT', `The tab with sheet_id ${sheet_id} holds no rows (a chart, perhaps).`)
  return { title, rows: grid.rowCount, columns: grid.columnCount }
}

const Values = z.object({ values: z.array(z.array(Cell)).default([]) })

/** `typed`: numbers and truth values as such, dates as they are shown; otherwise everything as it is shown. */
export async function valuesOf(
  ctx: ToolContext,
  spreadsheet_id: string,
  range: string,
  as: 'typed' | 'shown' = 'typed',
): Promise<Cell[][]> {
  const query =
    as === 'typed'
      ? { valueRenderOption: 'UNFORMATTED_VALUE', dateTimeRenderOption: 'FORMATTED_STRING' }
      : { valueRenderOption: 'FORMATTED_VALUE' }
  return understood(Values, await sheets(ctx, { path: VALUES, at: { spreadsheet_id, range }, query })).values
}

/** The names in the header row; none when the row lies beyond the grid. */
export const headerOf = async (ctx: ToolContext, spreadsheet_id: string, grid: Grid, row: number): Promise<string[]> =>
  row > grid.rows ? [] : ((await valuesOf(ctx, spreadsheet_id, rowsOf(grid.title, row), 'shown'))[0] ?? []).map(String)

export type Entered = 'RAW' | 'USER_ENTERED'
const Updated = z.object({ updatedRange: z.string(), updatedRows: z.number().default(0), updatedCells: z.number().default(0) })
export const Appended = z.object({ updates: Updated })

/** Overwrites a range; null leaves a cell as it is. */
export async function put(ctx: ToolContext, spreadsheet_id: string, range: string, values: readonly unknown[][]) {
  const body = { range, majorDimension: 'ROWS', values }
  const call = { method: 'PUT', path: VALUES, at: { spreadsheet_id, range }, query: { valueInputOption: 'RAW' }, body, idempotent: true }
  return understood(Updated, await sheets(ctx, call))
}

const Batch = z.object({
  totalUpdatedRows: z.number().default(0),
  totalUpdatedCells: z.number().default(0),
})
/** Overwrites several ranges, or none of them. */
export async function putAll(ctx: ToolContext, spreadsheet_id: string, data: readonly { range: string; values: readonly unknown[][] }[]) {
  const body = { valueInputOption: 'RAW', data: data.map((it) => ({ ...it, majorDimension: 'ROWS' })) }
  const call = { method: 'POST', path: `${BOOK}/values:batchUpdate`, at: { spreadsheet_id }, body, idempotent: true }
  return understood(Batch, await sheets(ctx, call))
}

/** New rows are put in below the table, so that nothing under it is overwritten. */
export async function append(ctx: ToolContext, spreadsheet_id: string, range: string, values: readonly unknown[][], entered: Entered) {
  const query = { valueInputOption: entered, insertDataOption: 'INSERT_ROWS' }
  const body = { range, majorDimension: 'ROWS', values }
  const call = { method: 'POST', path: `${VALUES}:append`, at: { spreadsheet_id, range }, query, body }
  return understood(Appended, await sheets(ctx, call)).updates
}

const Cleared = z.object({ clearedRange: z.string() })
export async function clear(ctx: ToolContext, spreadsheet_id: string, range: string): Promise<string> {
  const call = { method: 'POST', path: `${VALUES}:clear`, at: { spreadsheet_id, range }, body: {}, idempotent: true }
  return understood(Cleared, await sheets(ctx, call)).clearedRange
}

/** Changes to the spreadsheet itself: all of the requests are carried out, or none ("batchUpdate"). */
export const change = (ctx: ToolContext, spreadsheet_id: string, requests: readonly object[], idempotent = false): Promise<Answer> =>
  sheets(ctx, { method: 'POST', path: `${BOOK}:batchUpdate`, at: { spreadsheet_id }, body: { requests }, idempotent })

export const wholeTab = (grid: Grid): string => quotedTitle(grid.title)
