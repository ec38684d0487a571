import { randomInt } from 'node:crypto'
import { tool, z } from '../contract.ts'
import { change, gridOf, headerOf, sheets, tabsOf, understood } from './sheets-call.ts'
import { letters } from './sheets-range.ts'
import { headerRow, inTab, Properties, READS, spreadsheetId, text, WRITES, Worksheet, worksheet } from './sheets-shapes.ts'

/** Google's own limit for the columns of a tab (Drive help, "Files you can store"). */
const MOST_COLUMNS = 18_278
/** A new tab has as many columns unless it is told otherwise. */
const USUAL_COLUMNS = 26
/** Ids of tabs are whole numbers from 0 to 2^31 - 1. */
const LARGEST_ID = 2 ** 31 - 1

/** Text into cells as a part of batchUpdate, so that it is done together with the other requests or not at all. */
const texts = (sheetId: number, row: number, column: number, values: readonly string[]) => ({
  updateCells: {
    start: { sheetId, rowIndex: row - 1, columnIndex: column - 1 },
    rows: [{ values: values.map((stringValue) => ({ userEnteredValue: { stringValue } })) }],
    fields: 'userEnteredValue',
  },
})

const Added = z.object({ replies: z.array(z.looseObject({ addSheet: z.object({ properties: Properties }).optional() })).min(1) })

export const tabTools = {
  find_worksheet: tool({
    about:
      'Finds the tabs of a spreadsheet by title, with the sheet_id that the other tools want. A blank title with exact_match false lists all.',
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      spreadsheet_id: spreadsheetId,
      title: z.string().describe('The title or a part of it, in upper or lower case'),
      exact_match: z.boolean().optional().describe('Only the very title; false when left out'),
    }),
    output: z.object({ worksheets: z.array(Worksheet) }),
    example: { spreadsheet_id: 'book', title: 'people' },
    run: async (ctx, { spreadsheet_id, title, exact_match = false }) => {
      const is = (it: string) => (exact_match ? it === title : it.toLowerCase().includes(title.toLowerCase()))
      return { worksheets: (await tabsOf(ctx, spreadsheet_id)).filter((it) => is(it.title)).map(worksheet) }
    },
  }),
  create_worksheet: tool({
    about: 'Adds a tab to a spreadsheet, with the names of its columns in row 1 if given. Fails when there is a tab of that title.',
    effect: 'write',
    repeatable: false,
    scopes: WRITES,
    input: z.strictObject({
      spreadsheet_id: spreadsheetId,
      title: text,
      headers: z.array(z.string()).min(1).max(MOST_COLUMNS).optional().describe('Names of the columns, from A on'),
    }),
    output: Worksheet,
    example: { spreadsheet_id: 'book', title: 'Orders', headers: ['Id', 'Customer', 'Total'] },
    run: async (ctx, { spreadsheet_id, title, headers = [] }) => {
      // An id of ours lets the headers come in the same request. One that is taken is refused by Google.
      const sheetId = headers.length === 0 ? undefined : randomInt(1, LARGEST_ID)
      const gridProperties = headers.length > USUAL_COLUMNS ? { columnCount: headers.length } : undefined
      const requests = [
        { addSheet: { properties: { sheetId, title, gridProperties } } },
        ...(sheetId === undefined ? [] : [texts(sheetId, 1, 1, headers)]),
      ]
      const [added] = understood(Added, await change(ctx, spreadsheet_id, requests)).replies
      return worksheet(added?.addSheet?.properties ?? { sheetId: sheetId ?? 0, title })
    },
  }),
  rename_worksheet: tool({
    about: 'Renames one tab of a spreadsheet. Formulas that point to it follow. Fails when another tab has that title.',
    effect: 'write',
    repeatable: true, // The same title for the same tab.
    scopes: WRITES,
    input: z.strictObject({ ...inTab, new_title: text }),
    output: z.object({ sheet_id: z.number(), title: z.string() }),
    example: { spreadsheet_id: 'book', sheet_id: 9, new_title: 'Archive' },
    run: async (ctx, { spreadsheet_id, sheet_id, new_title }) => {
      const properties = { sheetId: sheet_id, title: new_title }
      await change(ctx, spreadsheet_id, [{ updateSheetProperties: { properties, fields: 'title' } }], true)
      return { sheet_id, title: new_title }
    },
  }),
  copy_worksheet: tool({
    about: 'Copies a tab into another spreadsheet, or into the same one, as "Copy of …". A second call makes a second copy.',
    effect: 'write',
    repeatable: false,
    scopes: WRITES,
    input: z.strictObject({ ...inTab, destination_spreadsheet_id: text.describe('Id of the spreadsheet that gets the copy') }),
    output: Worksheet,
    example: { spreadsheet_id: 'book', sheet_id: 0, destination_spreadsheet_id: 'other' },
    run: async (ctx, { spreadsheet_id, sheet_id, destination_spreadsheet_id }) => {
      const path = '/v4/spreadsheets/{spreadsheet_id}/sheets/{sheet_id}:copyTo'
      const at = { spreadsheet_id, sheet_id: String(sheet_id) }
      const body = { destinationSpreadsheetId: destination_spreadsheet_id }
      return worksheet(understood(Properties, await sheets(ctx, { method: 'POST', path, at, body })))
    },
  }),
  delete_worksheet: tool({
    about:
      'Removes a tab with everything in it; it cannot be had back by a tool. The last tab cannot be removed. To empty it use clear_sheet.',
    effect: 'destroy',
    repeatable: false,
    scopes: WRITES,
    input: z.strictObject(inTab),
    output: z.object({ sheet_id: z.number(), deleted: z.literal(true) }),
    example: { spreadsheet_id: 'book', sheet_id: 9 },
    run: async (ctx, { spreadsheet_id, sheet_id }) => {
      await change(ctx, spreadsheet_id, [{ deleteSheet: { sheetId: sheet_id } }])
      return { sheet_id, deleted: true as const }
    },
  }),
  create_column: tool({
    about:
      'Inserts a column with its name in the header row, at position or after the last named one; columns to its right move. A second call inserts a second one.',
    effect: 'write',
    repeatable: false,
    scopes: WRITES,
    input: z.strictObject({
      ...inTab,
      column_name: text,
      position: z.int().min(1).max(MOST_COLUMNS).optional().describe('1 is column A; after the last named column when left out'),
      header_row: headerRow,
    }),
    output: z.object({ column_name: z.string(), position: z.number(), column: z.string().describe('Its letter') }),
    example: { spreadsheet_id: 'book', sheet_id: 0, column_name: 'City' },
    run: async (ctx, { spreadsheet_id, sheet_id, column_name, position, header_row = 1 }) => {
      const after = async () =>
        (await headerOf(ctx, spreadsheet_id, await gridOf(ctx, { spreadsheet_id, sheet_id }), header_row)).length + 1
      const at = position ?? (await after())
      const range = { sheetId: sheet_id, dimension: 'COLUMNS', startIndex: at - 1, endIndex: at }
      // At the right edge Google takes only a column that looks like the one before it; at the left edge there is none.
      const requests = [{ insertDimension: { range, inheritFromBefore: at > 1 } }, texts(sheet_id, header_row, at, [column_name])]
      await change(ctx, spreadsheet_id, requests)
      return { column_name, position: at, column: letters(at - 1) }
    },
  }),
}
